"""Public face of simulated devices: what a class of one's own is made of, and the ones that there are. Lazy, as `testbeam` is."""

from testbeam._lazy import attach

TYPE_CHECKING = False  # as typing's, which would be 8 ms of every start
if TYPE_CHECKING:
    from testbeam.simulators.devices.area_detector import AreaDetector as AreaDetector
    from testbeam.simulators.devices.chopper import Chopper as Chopper
    from testbeam.simulators.devices.device import Device as Device
    from testbeam.simulators.devices.device import command as command
    from testbeam.simulators.devices.motor import Motor as Motor
    from testbeam.simulators.devices.power_supply import PowerSupply as PowerSupply
    from testbeam.simulators.devices.temperature_controller import TemperatureController as TemperatureController

_NAMES = {
    "testbeam.simulators.devices.area_detector": ("AreaDetector",),
    "testbeam.simulators.devices.chopper": ("Chopper",),
    "testbeam.simulators.devices.device": ("Device", "command"),
    "testbeam.simulators.devices.motor": ("Motor",),
    "testbeam.simulators.devices.power_supply": ("PowerSupply",),
    "testbeam.simulators.devices.temperature_controller": ("TemperatureController",),
}

__getattr__, __dir__, __all__ = attach(__name__, _NAMES)
