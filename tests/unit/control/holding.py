"""A session for tests: memory for a cache, PVs that do what the test says, and time that passes when it is told to."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from testbeam.errors import TransportError
from testbeam.services.control.memory_cache import MemoryCache
from testbeam.services.control.session import Session
from testbeam.services.control.setups.declared import DeviceConfig, Setup
from testbeam.transport.pv_watch import OnChange, PvSnapshot
from testbeam.wire.pv_reading import Reading


class FakePvs:
    """PVs by name; `on_put` decides what a write does, by default it sets the PV."""

    def __init__(self) -> None:
        self.readings: dict[str, Reading] = {}
        self.limits: dict[str, tuple[float, float]] = {}
        self.precisions: dict[str, int] = {}
        self.away: set[str] = set()
        self.puts: list[tuple[str, Any]] = []
        self.callbacks: dict[str, list[OnChange]] = {}
        self.on_put: Callable[[str, Any], None] = self.set

    def set(self, name: str, value: Any, **more: Any) -> None:
        self.readings[name] = Reading(value=value, **more)
        for callback in self.callbacks.get(name, ()):
            callback(self.snapshot(name))

    def watch(self, name: str, on_change: OnChange | None = None) -> None:
        self.callbacks.setdefault(name, [])
        if on_change is not None:
            self.callbacks[name].append(on_change)

    def snapshot(self, name: str) -> PvSnapshot:
        return PvSnapshot(
            name=name,
            connected=name in self.readings and name not in self.away,
            reading=self.readings.get(name),
            display=self.limits.get(name),
            precision=self.precisions.get(name),
        )

    def get(self, name: str, within_s: float) -> PvSnapshot:  # noqa: ARG002 — the form of a PvWatch
        if name in self.away or name not in self.readings:
            raise TransportError(f"PV {name!r} is away")
        return self.snapshot(name)

    def put(self, name: str, value: Any, *, wait: bool = False, within_s: float = 5.0) -> None:  # noqa: ARG002
        if name in self.away:
            raise TransportError(f"PV {name!r} is away")
        self.puts.append((name, value))
        self.on_put(name, value)

    def close(self) -> None:
        self.callbacks.clear()


class Told:
    """What was said to the user."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int, str]] = []

    def say(self, name: str, level: int, text: str) -> None:
        self.lines.append((name, level, text))

    @property
    def text(self) -> str:
        return "\n".join(text for _, _, text in self.lines)


class FakeSession(Session):
    """A session whose time is `time_s`; sleeping passes it, and so does each look at the clock, by `tick_s`."""

    def __init__(self, setups: Mapping[str, Setup], **more: Any) -> None:
        self.time_s = 1_000_000.0
        self.tick_s = 0.0
        self.fake = FakePvs()
        self.told = Told()
        self.on_tick: Callable[[float], None] = lambda _now_s: None
        super().__init__(setups, MemoryCache(), self.told, **more)

    def now_s(self) -> float:
        self.time_s += self.tick_s
        self.on_tick(self.time_s)
        return self.time_s

    def sleep(self, seconds: float, level: int = 5) -> None:  # noqa: ARG002
        self.time_s += seconds

    def pvs(self, protocol: str) -> Any:  # noqa: ARG002
        return self.fake


def setup(name: str, devices: Mapping[str, Any] | None = None, **more: Any) -> Setup:
    """Return a setup; devices are (class, parameters)."""
    configs = {word: None if one is None else DeviceConfig(one[0], one[1]) for word, one in (devices or {}).items()}
    return Setup(name=name, file=Path(f"{name}.py"), devices=configs, **more)


def session_of(devices: Mapping[str, Any], **more: Any) -> FakeSession:
    """Return a session with one setup of these devices, not loaded yet."""
    return FakeSession({"one": setup("one", devices, **more)})
