"""Errors about a service in words: what happened, where it can be reached, what was last seen and logged, what to try next."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testbeam.errors import NotReady, ServiceDied, StackError
from testbeam.kit import guard, host
from testbeam.kit.guard_client import CommandLine, Process, why_not_spawned
from testbeam.kit.logs import cut, tail
from testbeam.kit.probing import Waited
from testbeam.kit.spec import Service
from testbeam.model.time import NS_PER_S


class Describable(Protocol):
    """What an error tells of a service's allocation."""

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Return where it can be reached."""

    @property
    def ports(self) -> Mapping[str, int]:
        """Return the numbers of its ports, by name."""

    @property
    def log_path(self) -> Path:
        """Return where its log is."""

    def argv(self) -> Sequence[str]:
        """Return the words of its command."""

    def command_line(self) -> CommandLine:
        """Return what is spawned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A service at the moment of its failure; `last_seen` is what its probe saw, `log_start` the byte at which this start's log begins."""

    service: Service
    allocation: Describable
    process: Process | None
    last_seen: str
    log_start: int
    was_ready: bool
    now_ns: int

    def died(self) -> ServiceDied:
        """Return the error that says how the service ended."""
        process, name = self.process, self.service.name
        assert process is not None
        if process.refusal is not None:
            what = why_not_spawned(process.refusal, self.allocation.command_line())
            return ServiceDied(self._describe(f"service {name!r} could not be started: {what}", "correct command=… of the service"))
        when = "although it should be running" if self.was_ready else "while it was starting"
        ended_ns = process.ended_ns or self.now_ns
        after_s = (ended_ns - (process.spawned_ns or ended_ns)) / NS_PER_S
        headline = f"service {name!r} {process.ending()} after {after_s:.2f} s, {when}"
        if process.exit_code == 0 and process.behind:
            pids = ", ".join(map(str, process.behind))
            next_step = f"it has put itself into the background (pid {pids}): give it the option that keeps it in the foreground"
            return ServiceDied(self._describe(headline, next_step))
        meant = (
            "if it is meant to end by itself, say so (once=True, in a file once = true); else "
            if process.exit_code == 0 and not self.was_ready
            else ""
        )
        return ServiceDied(self._describe(headline, f"{meant}read its log; run its command by hand"))

    def too_late(self, waited: Waited) -> NotReady:
        """Return the error of a probe that was asked in vain until the deadline."""
        allowed = f"allowed: {self.service.ready_timeout_s:g} s, {waited.attempts} attempts"
        headline = f"service {self.service.name!r} was not ready after {waited.elapsed_s:.1f} s ({allowed})"
        names = " and ".join(f"${{port.{name}}}" for name in self.allocation.ports)
        elsewhere = f"give it {names} in its command, or declare the port as fixed" if self._elsewhere() else ""
        return NotReady(self._describe(headline, elsewhere or "read its log; if it is only slow, raise ready_timeout_s"))

    def not_returned(self, what: str, after_s: float) -> NotReady:
        """Return the error of a probe, or after_ready, that has not returned."""
        headline = f"service {self.service.name!r} was not ready after {after_s:.1f} s: {what} has not returned"
        return NotReady(self._describe(headline, f"give the calls that {what} makes time-outs of their own, of about 1 s"))

    def after_ready_failed(self, error: Exception, after_s: float) -> NotReady:
        """Return the error of an after_ready that has raised."""
        headline = f"service {self.service.name!r} answered, but its after_ready failed after {after_s:.1f} s"
        return NotReady(self._describe(headline, "correct what after_ready does", error=f"{type(error).__name__}: {error}"))

    def hangs(self) -> ServiceDied:
        """Return the error of a service that runs and does not answer any more."""
        headline = f"service {self.service.name!r} runs, but has not answered for {self.service.alive_timeout_s:g} s"
        return ServiceDied(self._describe(headline, "see what it hangs in: py-spy dump, jcmd, or cat /proc/PID/stack"))

    def stopped_meanwhile(self) -> ServiceDied:
        """Return the error for who waits for a start that somebody else has stopped."""
        return ServiceDied(self._describe(f"service {self.service.name!r} was stopped while it was starting", "start it again"))

    def unkillable(self) -> StackError:
        """Return the error of a service that outlives SIGKILL."""
        return StackError(self._describe(f"service {self.service.name!r} can't be killed", "see what it hangs in: cat /proc/PID/stack"))

    def _describe(self, headline: str, next_step: str, error: str = "") -> str:
        process, external = self.process, self.service.external
        running = f"pid {process.pid}, {process.ending()}" if process is not None and process.pid else ""
        full = host.no_room(self.allocation.log_path)
        command = "" if external else cut(shlex.join(self.allocation.argv()))
        return describe(
            headline,
            endpoints=self.allocation.endpoints,
            facts=(
                ("cause", full),
                ("last seen", self.last_seen),
                ("error", error),
                ("process", running),
                ("ports", self._elsewhere()),
                ("command", command),
                ("path", "" if external else self._misplaced()),
            ),
            log_path=None if external else self.allocation.log_path,
            log_since=self.log_start,
            next_step=_of_external(self.service) if external else next_step,
        )

    def _elsewhere(self) -> str:
        """Say where the service listens, if that is nowhere where it was told to."""
        process, told = self.process, self.allocation.ports
        if process is None or process.pid is None or not process.is_running() or not told:
            return ""
        where = host.listening((process.pid, *guard.descendants(process.pid)))
        if not where or {int(one.rpartition(":")[2]) for one in where}.intersection(told.values()):
            return ""
        names = ", ".join(f"${{port.{name}}} = {number}" for name, number in told.items())
        return f"it listens at {', '.join(where)}, and not where it was told to: {names}"

    def _misplaced(self) -> str:
        """Name a word of the command that is a file in the runner's folder, and none in the service's own."""
        line = self.allocation.command_line()
        for word in line.argv[1:]:
            path = Path(word)
            with suppress(OSError, ValueError):  # a text, which is too long for a path or has a null byte
                if not path.is_absolute() and path.is_file() and not (line.cwd / path).exists():
                    return f"{word} is not in the service's own folder, in which it runs; write {path.absolute()}"
        return ""


def _of_external(service: Service) -> str:
    """Return the next step where there is no log of ours to read."""
    where = ", ".join(service.endpoints.values()) or "where it runs"
    return f"it is not ours: see whether it runs, and can be reached from here, at {where}"


def describe(
    headline: str,
    *,
    endpoints: Mapping[str, str],
    facts: Iterable[tuple[str, str]],
    log_path: Path | None,
    log_since: int,
    next_step: str,
) -> str:
    """Return the whole message; log_path None for a service whose log is not ours."""
    lines = [headline]
    lines += [f"  {'endpoint':10} {name} = {value}" for name, value in endpoints.items()]
    lines += [f"  {name:10} {value}" for name, value in facts if value]
    if log_path is not None:
        lines += log_lines(log_path, log_since)
    lines.append(f"  {'next':10} {next_step}")
    return "\n".join(lines)


def log_lines(path: Path, since: int) -> list[str]:
    """Return the end of a log as it stands in an error."""
    last = tail(path, since=since)
    if not last:
        return [f"  {'log':10} {path} (nothing in it)"]
    return [f"  {'log':10} {path}, its end:", *(f"    | {line}" for line in last)]
