"""Public face of faults by chance: random faults from a seed, schedules, and hypothesis machines. Lazy, as `testbeam` is."""

from testbeam._lazy import attach

TYPE_CHECKING = False  # as typing's, which would be 8 ms of every start
if TYPE_CHECKING:
    from testbeam.kit.faults.machine import FaultMachine as FaultMachine
    from testbeam.kit.faults.machine import break_at_random as break_at_random
    from testbeam.kit.faults.play import RandomFaults as RandomFaults
    from testbeam.kit.faults.play import play as play
    from testbeam.kit.faults.schedule import Between as Between
    from testbeam.kit.faults.schedule import Choice as Choice
    from testbeam.kit.faults.schedule import Planned as Planned
    from testbeam.kit.faults.schedule import Schedule as Schedule
    from testbeam.kit.faults.schedule import Step as Step
    from testbeam.kit.faults.schedule import random_schedule as random_schedule

_NAMES = {
    "testbeam.kit.faults.play": (
        "RandomFaults",
        "play",
    ),
    "testbeam.kit.faults.schedule": (
        "Between",
        "Choice",
        "Planned",
        "Schedule",
        "Step",
        "random_schedule",
    ),
    "testbeam.kit.faults.machine": (
        "FaultMachine",
        "break_at_random",
    ),
}

__getattr__, __dir__, __all__ = attach(__name__, _NAMES)
