"""Registry of device classes: dotted names of the field, and what of ours stands for each.

A class is imported when the first device of it is made. To add one, add its module and its names here.
"""

from importlib import import_module
from typing import Any

from testbeam.errors import DeviceError
from testbeam.services.control.devices.base import Device

_PVA = "nicos_ess.devices.epics.pva"
_EPICS = (
    _PVA,
    f"{_PVA}.epics_devices",
    "nicos_ess.devices.epics.base",
    "nicos.devices.epics",
    "nicos.devices.epics.pva",
    "nicos.devices.epics.pyepics",
)
_GENERIC = "nicos.devices.generic"
_AREA = "nicos_ess.devices.epics.area_detector"
_DATA_SOURCES = "nicos_ess.devices.datasources"
_SUPPLY = "nicos_ess.devices.epics.power_supply_channel"
_CHOPPER = "nicos_ess.devices.epics.chopper"

# our module:class → the last part of the names, below each of the packages
_CLASSES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "epics:EpicsReadable": (_EPICS, ("EpicsReadable", "EpicsDigitalReadable", "EpicsIntReadable", "EpicsNumericReadable")),
    "epics:EpicsStringReadable": (_EPICS, ("EpicsStringReadable", "EpicsArrayReadable")),
    "epics:EpicsMappedReadable": (_EPICS, ("EpicsMappedReadable", "EpicsBoolReadable", "EpicsEnumReadable")),
    "epics:EpicsAnalogMoveable": (
        _EPICS,
        ("EpicsAnalogMoveable", "EpicsDigitalMoveable", "EpicsWindowTimeoutDevice", "EpicsFloatMoveable"),
    ),
    "epics:EpicsStringMoveable": (_EPICS, ("EpicsStringMoveable",)),
    "epics:EpicsMappedMoveable": (_EPICS, ("EpicsMappedMoveable", "EpicsBoolMoveable", "EpicsEnumMoveable")),
    "epics:EpicsManualMappedAnalogMoveable": (_EPICS, ("EpicsManualMappedAnalogMoveable",)),
    "epics:EpicsManualSwitch": (("nicos_ess.devices.epics.manual_switch",), ("ManualSwitch",)),
    "epics:EpicsShutter": ((_PVA, f"{_PVA}.shutter", "nicos_ess.devices.epics.shutter"), ("EpicsShutter",)),
    "motor:EpicsMotor": ((*_EPICS, f"{_PVA}.motor", "nicos_ess.devices.epics.motor"), ("EpicsMotor", "SmaractPiezoMotor")),
    "detector:EpicsCounter": (
        (_PVA, "nicos_ess.devices.epics.detector", "nicos.devices.epics.detector", "nicos_ess.devices.epics.pulse_counter"),
        ("EpicsCounter", "EpicsActiveChannel", "PulseCounter"),
    ),
    "area_detector:AreaDetector": (
        (_AREA, f"{_PVA}.area_detector"),
        ("AreaDetector", "EpicsAreaDetector", "ADSimDetector", "OrcaFlash4", "TimepixDetector"),
    ),
    "virtual:VirtualMotor": ((_GENERIC, f"{_GENERIC}.virtual", "nicos_ess.devices.virtual"), ("VirtualMotor", "VirtualReferenceMotor")),
    "virtual:VirtualTemperature": ((_GENERIC, f"{_GENERIC}.virtual"), ("VirtualTemperature", "VirtualRealTemperature")),
    "virtual:ManualMove": ((_GENERIC, f"{_GENERIC}.manual"), ("ManualMove",)),
    "virtual:ManualSwitch": ((_GENERIC, f"{_GENERIC}.manual"), ("ManualSwitch",)),
    "virtual:Switcher": ((_GENERIC, f"{_GENERIC}.switcher"), ("Switcher",)),
    "virtual:VirtualSlit": ((_GENERIC, f"{_GENERIC}.slit"), ("Slit", "TwoAxisSlit", "HorizontalGap", "VerticalGap")),
    "free_space:FreeSpace": ((_GENERIC, f"{_GENERIC}.system"), ("FreeSpace",)),
    "virtual:ReadonlyParamDevice": ((_GENERIC, f"{_GENERIC}.paramdev"), ("ReadonlyParamDevice",)),
    "virtual:ParamDevice": ((_GENERIC, f"{_GENERIC}.paramdev"), ("ParamDevice",)),
    "alias:DeviceAlias": ((_GENERIC, f"{_GENERIC}.alias", "nicos.core.device"), ("DeviceAlias",)),
    "virtual:MappedController": (("nicos_ess.devices.mapped_controller",), ("MappedController",)),
    "detector:VirtualTimer": ((_GENERIC, f"{_GENERIC}.virtual", "nicos_ess.devices.timer"), ("VirtualTimer", "TimerChannel")),
    "detector:VirtualCounter": ((_GENERIC, f"{_GENERIC}.virtual"), ("VirtualCounter",)),
    "detector:Detector": (
        (_GENERIC, f"{_GENERIC}.detector", "nicos_ess.devices.detector", _AREA, f"{_DATA_SOURCES}.just_bin_it"),
        ("Detector", "AreaDetectorCollector", "JustBinItDetector"),
    ),
    "event_counts:EventCounter": ((f"{_DATA_SOURCES}.just_bin_it",), ("JustBinItImage",)),
    "live_data:LiveDataChannel": ((f"{_DATA_SOURCES}.livedata",), ("DataChannel",)),
    "live_data_collector:LiveDataCollector": ((f"{_DATA_SOURCES}.livedata",), ("LiveDataCollector",)),
    "kafka_values:KafkaRouter": (("nicos_ess.devices.kafka.readback",), ("KafkaReadbackRouter",)),
    "kafka_values:KafkaValue": (("nicos_ess.devices.kafka.readback",), ("KafkaReadable",)),
    "choppers:ChopperAlarms": ((_CHOPPER,), ("ChopperAlarms",)),
    "choppers:NewChopperAlarms": ((_CHOPPER,), ("NewChopperAlarms",)),
    "choppers:ChopperController": ((_CHOPPER,), ("EssChopperController", "NewEssChopperController")),
    "choppers:ChopperDelayError": (("nicos_ess.devices.epics.chopper_delay_error",), ("ChopperDelayError",)),
    "choppers:ChopperPhase": (("nicos_ess.devices.transformer_devices",), ("ChopperPhase",)),
    "alarm_groups:BitAlarms": (("nicos_ess.devices.epics.mbbi_direct",), ("MBBIDirectStatus",)),
    "power_supplies:PowerSupplyChannel": ((_SUPPLY,), ("PowerSupplyChannel",)),
    "power_supplies:PowerSupplyBank": ((_SUPPLY,), ("PowerSupplyBank",)),
    "experiment:Instrument": (("nicos.devices.instrument", "nicos_ess.devices.instrument"), ("Instrument", "EssInstrument")),
    "experiment:Sample": (("nicos_ess.devices.sample", "nicos.devices.sample"), ("EssSample", "Sample")),
    "experiment:Experiment": (("nicos_ess.devices.experiment", "nicos.devices.experiment"), ("EssExperiment", "Experiment")),
    "forwarder_configuration:ForwarderConfiguration": (("nicos_ess.devices.forwarder",), ("EpicsKafkaForwarder",)),
    "file_writer:FileWriterStatus": (("nicos_ess.devices.datasinks.file_writer",), ("FileWriterStatus",)),
    "file_writer:FileWriterControl": (("nicos_ess.devices.datasinks.file_writer",), ("FileWriterControlSink",)),
    "nexus_structure:NexusStructure": (("nicos_ess.devices.datasinks.nexus_structure",), ("NexusStructureJsonFile",)),
    "scichat:SciChat": (("nicos_ess.devices.scichat",), ("ScichatBot",)),
    "sinks:ConsoleScanSink": (
        ("nicos_ess.devices.datasinks.console_scan_sink", "nicos.devices.datasinks", "nicos.devices.datasinks.scan"),
        ("ConsoleScanSink",),
    ),
    "sinks:AsciiScanSink": (("nicos.devices.datasinks", "nicos.devices.datasinks.scan"), ("AsciiScanfileSink",)),
    "sinks:DaemonSink": (
        ("nicos.devices.datasinks", "nicos.devices.datasinks.special"),
        ("DaemonSink", "LiveViewSink", "NPGZFileSink", "SerializedSink"),
    ),
}
_PACKAGE = "testbeam.services.control.devices"
BY_NAME = {f"{package}.{name}": place for place, (packages, names) in _CLASSES.items() for package in packages for name in names} | {
    f"testbeam.{place.rpartition(':')[2]}": place for place in _CLASSES
}


def is_known(name: str) -> bool:
    """Tell whether a class of this dotted name can be made."""
    return name in BY_NAME


def class_of(name: str) -> type[Device]:
    """Return the class of a dotted name.

    Raises:
        DeviceError: it is not known.
    """
    place = BY_NAME.get(name)
    if place is None:
        raise DeviceError(f"class {name} is not known to testbeam")
    module, _, word = place.partition(":")
    found: Any = getattr(import_module(f"{_PACKAGE}.{module}"), word)
    kind: type[Device] = found
    return kind
