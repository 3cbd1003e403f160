"""The words between a control system and a file-writer: start and stop a job, the answers, and that the file is finished."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSpectrumMap:
    """The optional spectrum map of pl72: int32 `spectrum` and `detector_id`, one entry a detector; `n_spectra` as sent."""

    spectrum: NDArray[np.int32]
    detector_id: NDArray[np.int32]
    n_spectra: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    """One pl72 message: write a file. Times in ms since 1970; `start_time_ms` 0 is "now", `stop_time_ms` 0 is "until stopped"."""

    job_id: str
    filename: str
    nexus_structure: str
    control_topic: str = ""
    start_time_ms: int = 0
    stop_time_ms: int = 0
    run_name: str = ""
    instrument_name: str = ""
    service_id: str = ""
    broker: str = ""
    metadata: str = ""
    n_periods: int = 1
    detector_spectrum_map: DetectorSpectrumMap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStop:
    """One 6s4t message: stop a job at `stop_time_ms` since 1970 (0 is "now"); an empty `service_id` means any writer."""

    job_id: str
    command_id: str
    stop_time_ms: int = 0
    run_name: str = ""
    service_id: str = ""


class ActionType(IntEnum):
    """Which command an answ answers."""

    START_JOB = 0
    SET_STOP_TIME = 1


class ActionOutcome(IntEnum):
    """How an answered command went."""

    SUCCESS = 0
    FAILURE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer:
    """One answ message; for a start `command_id` is the job id; `status_code` is HTTP-like (201, 400, 500)."""

    service_id: str
    job_id: str
    command_id: str
    action: ActionType
    outcome: ActionOutcome
    message: str
    status_code: int
    stop_time_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingFinished:
    """One wrdn message, sent after the file is closed; `metadata` is the pl72's, verbatim."""

    service_id: str
    job_id: str
    error_encountered: bool
    file_name: str
    metadata: str = ""
    message: str = ""
