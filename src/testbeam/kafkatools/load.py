"""CPU and memory of processes with all that descend from them, ours or theirs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psutil

Processes = Mapping[str, int | Sequence[int]] | Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one part used: CPU seconds, that by the measured time (1.0 is one core), and the most memory it was seen with.

    `ended` says that a process of it ended meanwhile; what it used after the last look is not in the figures.
    """

    name: str
    pids: tuple[int, ...]
    cpu_s: float
    cores: float
    memory_bytes: int
    ended: bool = False


@dataclass(slots=True)
class LoadMeter:
    """Looks at named parts, each one or more processes and their descendants, from the making of it to `loads`."""

    parts: Mapping[str, tuple[int, ...]]
    _first_s: dict[str, float] = field(default_factory=dict)
    _last_s: dict[str, float] = field(default_factory=dict)
    _memory: dict[str, int] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.look()
        self._first_s = dict(self._last_s)

    def look(self) -> None:
        """Take the figures of now."""
        for name, pids in self.parts.items():
            cpu_s, memory = 0.0, 0
            for pid in pids:
                for process in _tree(pid):
                    try:
                        with process.oneshot():
                            cpu_s += sum(process.cpu_times()[:4])  # own and, once reaped, the children's: user and system
                            memory += process.memory_info().rss
                    except psutil.Error:
                        self._ended.add(name)
                if not psutil.pid_exists(pid):
                    self._ended.add(name)
            self._last_s[name] = max(cpu_s, self._last_s.get(name, 0.0))
            self._memory[name] = max(memory, self._memory.get(name, 0))

    def loads(self, seconds: float) -> tuple[Load, ...]:
        """Look once more, and return what each part used in these seconds."""
        self.look()
        return tuple(self._load(name, pids, seconds) for name, pids in self.parts.items())

    def _load(self, name: str, pids: tuple[int, ...], seconds: float) -> Load:
        cpu_s = self._last_s[name] - self._first_s[name]
        return Load(
            name=name,
            pids=pids,
            cpu_s=cpu_s,
            cores=cpu_s / seconds if seconds else 0.0,
            memory_bytes=self._memory[name],
            ended=name in self._ended,
        )


def parts_of(processes: Processes) -> dict[str, tuple[int, ...]]:
    """Return name → process ids; ids without a name get that of their program."""
    if isinstance(processes, Mapping):
        return {name: (pids,) if isinstance(pids, int) else tuple(pids) for name, pids in processes.items()}
    return {_named(pid): (pid,) for pid in processes}


def _named(pid: int) -> str:
    try:
        return f"{psutil.Process(pid).name()} {pid}"
    except psutil.Error:
        return str(pid)


def _tree(pid: int) -> Iterator[psutil.Process]:
    try:
        root = psutil.Process(pid)
        yield root
        yield from root.children(recursive=True)
    except psutil.Error:
        return
