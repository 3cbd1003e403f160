"""The experiment, its sample and its instrument; the numbers of scans and files, which nothing may lose or give out twice."""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from testbeam.errors import ControlError, DeviceError
from testbeam.services.control.devices.base import Device, Readable
from testbeam.services.control.devices.moveable import Moveable
from testbeam.services.control.devices.params import Param, table, words

_COUNTERS = "counters"


class Instrument(Device):
    """What the instrument is."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "instrument": Param(description="name of the instrument", type=str, default=""),
        "facility": Param(description="name of the facility", type=str, default=""),
        "responsible": Param(description="who looks after it", type=str, default=""),
        "website": Param(description="where more is told", type=str, default=""),
        "doi": Param(description="identifier of a paper about it", type=str, default=""),
        "operators": Param(description="who runs it", type=list, default=()),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos.devices.instrument.Instrument",)


class Sample(Moveable):
    """The sample that is in the beam, by its name; and what is known of all of them."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "samplename": Param(description="name of the sample", type=str, default="", settable=True),
        "samples": Param(description="number → what is known of a sample", type=table, default={}, settable=True),
        "fmtstr": Param(description="how the value is shown", type=str, default="%s"),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.sample.EssSample", "nicos.devices.sample.Sample")
    valuetype: type = str

    def do_read(self) -> str:
        """Return the name."""
        return str(self.samplename)

    def do_start(self, target: Any) -> None:
        """Take another sample."""
        self.new(str(target))

    def new(self, name: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Take a new sample."""
        self.keep("samples", {0: {"name": name, **(parameters or {})}})
        self.keep("samplename", name)
        self.keep("target", name)
        self.host.cache.put(f"{self.key}/value", name)

    def simulated_value(self) -> str:
        """Return the name."""
        return str(self.samplename)

    def simulate_move(self, target: Any) -> None:
        """Take the name for the dry run."""
        self._values["samplename"] = str(target)


class Experiment(Device):
    """Proposal, users, detectors and environment of now, and where data go."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "dataroot": Param(description="folder of all data", type=str, default="."),
        "proposal": Param(description="number of the proposal", type=str, default="", settable=True),
        "title": Param(description="title of the experiment", type=str, default="", settable=True),
        "run_title": Param(description="title of the next file", type=str, default="", settable=True),
        "users": Param(description="who measures", type=list, default=[], settable=True),
        "localcontacts": Param(description="who helps them", type=list, default=[], settable=True),
        "propinfo": Param(description="all that is known of the proposal", type=table, default={}, settable=True),
        "detlist": Param(description="names of the detectors in use", type=list, default=[], settable=True),
        "envlist": Param(description="names of the environment devices in use", type=list, default=[], settable=True),
        "lastscan": Param(description="number of the last scan", type=int, default=0, settable=True),
        "lastpoint": Param(description="number of the last point", type=int, default=0, settable=True),
        "scripts": Param(description="scripts under way", type=list, default=[], settable=True),
        "scriptpath": Param(description="folder of scripts", type=str, default="."),
        "cache_filepath": Param(description="kept for old setups", type=str, default=""),
        "remark": Param(description="the user's last remark", type=str, default="", settable=True),
    }
    attached: ClassVar[Mapping[str, bool]] = {"sample": False}
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.experiment.EssExperiment", "nicos.devices.experiment.Experiment")

    def init(self) -> None:
        """Take up the numbers where they stand."""
        self._counters = Counters(Path(self.dataroot) / _COUNTERS)
        if self.host.writes:
            self._values["lastscan"] = max(int(self.lastscan), self._counters.read("scan"))

    @property
    def sample(self) -> Sample | None:
        """Return the sample."""
        found = self.attached_device("sample")
        return found if isinstance(found, Sample) else None

    def new(self, proposal: str, title: str, localcontacts: Sequence[Any], users: Sequence[Any]) -> None:
        """Begin an experiment."""
        people, contacts = _people(users), _people(localcontacts)
        self.keep("propinfo", {"proposal": proposal, "title": title, "users": people, "localcontacts": contacts})
        for word, value in (("proposal", proposal), ("title", title), ("users", people), ("localcontacts", contacts), ("remark", "")):
            self.keep(word, value)

    def set_detectors(self, names: Sequence[str]) -> None:
        """Use these detectors; raise DeviceError where one is none."""
        for name in names:
            self.host.get_device(name)
        self.keep("detlist", list(names))

    def set_environment(self, names: Sequence[str]) -> None:
        """Record these devices at each point; raise DeviceError where one has no value."""
        for name in names:
            if not isinstance(self.host.get_device(name), Readable):
                raise DeviceError(f"{name} has no value to be recorded")
        self.keep("envlist", list(names))

    def next_scan(self) -> int:
        """Return the number of a new scan."""
        number = self._counters.raise_("scan")
        self.keep("lastscan", number)
        return number

    def next_file(self) -> int:
        """Return the number of a new file."""
        return self._counters.raise_("file")

    def get_current_run_number(self) -> int:
        """Return the number of the newest file."""
        return self._counters.read("file")

    def proposal_path(self, instrument: str, use_instrument_directory: bool = True) -> str:
        """Return the folder of the proposal's raw files, relative to the file-writer's own."""
        parts = [instrument.lower()] if use_instrument_directory and instrument else []
        return "/".join((*parts, self.proposal or "0", "raw"))


class Counters:
    """The numbers of scans and files, as lines `name number`; changed under a lock and never set back."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def read(self, name: str) -> int:
        """Return a number, 0 before the first."""
        return self._all().get(name, 0)

    def raise_(self, name: str) -> int:
        """Return the next number; raise ControlError where it can't be written down."""
        with self._lock:
            numbers = self._all()
            numbers[name] = numbers.get(name, 0) + 1
            new = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                new.write_text("".join(f"{key} {value}\n" for key, value in sorted(numbers.items())))
                new.replace(self._file)
            except OSError as error:
                raise ControlError(f"{self._file} can't be written: {error.strerror}; numbers of scans and files are kept there") from None
            return numbers[name]

    def _all(self) -> dict[str, int]:
        if not self._file.exists():
            return {}
        pairs = (line.split() for line in self._file.read_text().splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _people(given: Any) -> list[dict[str, Any]]:
    """Return people as dicts with a name."""
    if isinstance(given, str):
        given = [one.strip() for one in given.split(",") if one.strip()]
    return [dict(one) if isinstance(one, Mapping) else {"name": str(one)} for one in given or ()]


def metadata(experiment: Experiment, started_s: float | None = None) -> dict[str, Any]:
    """Return what a file says of the experiment."""
    sample = experiment.sample
    return {
        "title": experiment.run_title or experiment.title,
        "experiment_identifier": experiment.proposal,
        "experiment_description": experiment.title,
        "users": list(experiment.users),
        "local_contacts": words([str(one.get("name", "")) for one in experiment.localcontacts]),
        "sample": sample.samplename if sample is not None else "",
        "started": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(started_s)),
    }
