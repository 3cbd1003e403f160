"""Protocol of every workflow: takes data of its sources, gives outputs at the end of each window, begins anew on a reset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from testbeam.model.arrays import AreaImage, LabelledArray, Variable


class Temporality(Enum):
    """How an output relates to time: of this window, since the job's start, or points with their own times."""

    WINDOW = 1
    CUMULATIVE = 2
    SERIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class EventData:
    """Events of one source, `(n,)` each; a monitor's may have no pixel ids."""

    pixel_id: NDArray[np.int32]
    time_of_flight_ns: NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSample:
    """One value of a PV."""

    timestamp_ns: int
    value: Any


Data: TypeAlias = EventData | LabelledArray | AreaImage | LogSample


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output of a workflow: its signal first, then coordinates other than the times, which the job adds."""

    name: str
    temporality: Temporality
    variables: tuple[Variable, ...]


class Workflow(Protocol):
    """What a job computes.

    `lost` counts events that were taken and are in no histogram, by reason, since the start or the last `clear`.
    """

    @property
    def lost(self) -> Mapping[str, int]:
        """Return events that are in no histogram, by reason."""

    def add(self, source: str, data: Data) -> None:
        """Take data of a source; raise `WorkflowError` for what can't be used."""

    def outputs(self) -> Sequence[Output]:
        """Return the outputs at the end of a window, which ends with this."""

    def clear(self) -> None:
        """Begin anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is known of a workflow before a job of it runs.

    `device_output` is the output that control sees as a device, "" for none. `moves_with` is the auxiliary source, by its role, whose value
    is a position: where it changes by more than `tolerance`, counts of the places before and after are kept apart.
    """

    name: str
    service: str
    title: str
    sources: tuple[str, ...]
    make: "Maker"
    version: int = 1
    supports_reset: bool = True
    reset_on_run_transition: bool = True
    device_output: str = ""
    regions: bool = False
    aux: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gates: bool = False  # whether the job waits for a first value of each auxiliary source
    moves_with: str = ""
    tolerance: float = 0.0


class Maker(Protocol):
    """Makes the workflow of a job."""

    def __call__(self, source: str, params: Mapping[str, Any], aux: Mapping[str, str]) -> Workflow:
        """Return the workflow; raise SettingsError for parameters that can't be used."""


def scalar(name: str, value: Any, temporality: Temporality, label: str, unit: str | None = "counts") -> Output:
    """Return an output of a single number."""
    signal = Variable(name="signal", data=np.asarray(value), unit=unit, label=label)
    return Output(name=name, temporality=temporality, variables=(signal,))
