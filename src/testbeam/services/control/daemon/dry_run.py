"""Dry run: a script run on copies of the devices, without hardware and in no time: what it would do, and how long it would take.

Values are those that the cache has at the start, limits are the real ones, and motions take distance over speed. It ends by itself after a
number of steps or seconds, so that an endless script is no trap.
"""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from testbeam.errors import ControlError, DeviceError, TestbeamError
from testbeam.model.deadline import Deadline
from testbeam.services.control.commands.user import UserCommands
from testbeam.services.control.daemon.facade import ScriptSession
from testbeam.services.control.daemon.messages import Message
from testbeam.services.control.daemon.script import LOOK, code_of, parsed
from testbeam.services.control.devices.base import Device, Readable
from testbeam.services.control.devices.moveable import Moveable
from testbeam.services.control.session import Session
from testbeam.transport.kafka.client import Kafka
from testbeam.transport.nicos.cache import CacheValue
from testbeam.transport.pv_watch import PvWatch
from testbeam.wire.nicos.daemon_words import BreakLevel, MessageLevel

_MOST_STEPS = 1_000_000
_MOST_S = 30.0
Result = tuple[float, dict[str, tuple[str, str, str, list[str]]], str]  # seconds, device → (unit?, least, most, aliases), uuid


class _FrozenCache:
    """The cache as it is at the start; nothing gets out."""

    def __init__(self, values: Mapping[str, CacheValue]) -> None:
        self._values = dict(values)

    def get(self, key: str) -> CacheValue | None:
        return self._values.get(key)

    def put(self, key: str, value: Any, *, time_s: float | None = None, ttl_s: float | None = None, no_store: bool = False) -> None:  # noqa: ARG002
        self._values[key] = CacheValue(value, time.time() if time_s is None else time_s)


class DryRunSession(Session):
    """A session in which time passes by being said, and nothing is behind the devices."""

    def __init__(self, real: Session, cache: Any, log: Any) -> None:
        super().__init__(real.setups, cache, log, writes=False)
        self.passed_s = 0.0
        self._began_s = time.time()
        self._sysconfig = dict(real.sysconfig)

    @property
    def simulated(self) -> bool:
        """Tell that this is a dry run."""
        return True

    def now_s(self) -> float:
        """Return the time that it would be."""
        return self._began_s + self.passed_s

    def sleep(self, seconds: float, level: int = BreakLevel.IMMEDIATE) -> None:  # noqa: ARG002 — nobody breaks a dry run
        """Let time pass."""
        self.passed_s += max(seconds, 0.0)

    def breakpoint(self, level: int) -> None:
        """Do nothing."""

    def pvs(self, protocol: str) -> PvWatch:
        """Refuse: whatever a device does, nothing gets out."""
        raise DeviceError(f"a dry run reaches no PV, and a device asked for one by {protocol}")

    def kafka(self, brokers: Any) -> Kafka:
        """Refuse, as for PVs."""
        raise DeviceError(f"a dry run sends nothing to Kafka, and a device would to {brokers}")


class DryRun:
    """One dry run; `tell` is called with its messages."""

    def __init__(
        self, real: Session, values: Mapping[str, CacheValue], uuid: str, tell: Callable[[Message], None], *, most_s: float = _MOST_S
    ) -> None:
        self._uuid = uuid
        self._tell = tell
        self._steps = 0
        self._deadline = Deadline(most_s)
        self._ranges: dict[str, list[Any]] = {}
        self.session = DryRunSession(real, _FrozenCache(values), self)
        self.session.load(list(real.explicit_setups))

    def say(self, name: str, level: int, text: str) -> None:
        """Tell something; the dry run is the log of its devices."""
        self._tell([name or "nicos", time.time(), int(level), f"{text}\n", None, self._uuid])

    def run(self, text: str, name: str, namespace: Mapping[str, Any]) -> Result:
        """Run a script; the time is -1 where it fails, and the reason is told."""
        commands = UserCommands(self.session, None)
        names: dict[str, Any] = {word: value for word, value in namespace.items() if not isinstance(value, Device) and not callable(value)}
        names |= commands.exposed() | dict(self.session.devices) | {LOOK: self._look, "session": ScriptSession(self.session, names)}
        commands.namespace = names
        try:
            commands.load_modules()
            for statement in parsed(text, name):
                exec(code_of(statement, name), names)  # noqa: S102 — a user's script, by the daemon's purpose
        except BaseException as error:
            last = traceback.extract_tb(error.__traceback__)
            line = next((frame.lineno for frame in reversed(last) if frame.filename == (name or "<script>")), 0)
            what = str(error) if isinstance(error, TestbeamError) else f"{type(error).__name__}: {error}"
            self.say("", MessageLevel.ERROR, f"{what}{f' (line {line})' if line else ''}")
            return -1.0, {}, self._uuid
        return self.session.passed_s, self._moved(), self._uuid

    def _look(self, _line: int) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS or self._deadline.passed:
            raise ControlError(f"the dry run was ended after {self._steps} steps and {self.session.passed_s:.0f} s of its time")
        if self._steps % 10 == 1:
            self._note_ranges()

    def _note_ranges(self) -> None:
        for name, device in self.session.devices.items():
            if isinstance(device, Moveable) and "_simulated" in device.__dict__:
                self._ranges.setdefault(name, []).append(device.simulated_value())

    def _moved(self) -> dict[str, tuple[str, str, str, list[str]]]:
        self._note_ranges()
        return {name: self._range(name, values) for name, values in self._ranges.items()}

    def _range(self, name: str, values: Sequence[Any]) -> tuple[str, str, str, list[str]]:
        device = self.session.devices[name]
        show = device.format if isinstance(device, Readable) else str
        try:
            low, high = min(values), max(values)
        except TypeError:
            low, high = values[0], values[-1]
        return show(values[-1]), show(low), show(high), []
