"""One smoke run from the first spawn to the verdict, with what a person sees on the way."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from rich.console import Console

from testbeam.audit.run import Leeway, audit, find_job
from testbeam.console import timeline
from testbeam.hosting.hosted import StackInfo, hosted, starting
from testbeam.hosting.registry import SMOKE
from testbeam.kit import interrupts
from testbeam.kit.journal_views import first_starts
from testbeam.kit.run import Run
from testbeam.stacks.fingerprint import fingerprint
from testbeam.stacks.reference import TIME_AFTER_STOP_S, full_chain
from testbeam.stacks.roles.broker.declaration import BrokerHandle
from testbeam.stacks.roles.livedata.declaration import LivedataHandle
from testbeam.suites.first_light import pictures
from testbeam.suites.first_light.folder import REPORT
from testbeam.suites.first_light.live_counts import LiveCounts
from testbeam.suites.first_light.outcome import Outcome, ServiceLine
from testbeam.suites.first_light.page import page
from testbeam.suites.first_light.plan import FILE_NAME, Plan
from testbeam.suites.first_light.steps import Steps


@dataclass(slots=True)
class Session:
    """A smoke run in `folder`; `steps` are what was done, each with its time in seconds since the start."""

    plan: Plan
    folder: Path
    console: Console
    steps: list[tuple[float, str]] = field(default_factory=list)
    unfinished: Path | None = None  # where the file is that was not written to its end
    _is_written: bool = False
    _started_s: float = field(default_factory=time.monotonic)
    _run: Run = field(init=False)

    @contextmanager
    def up(self, bootstrap: str = "") -> Iterator[Self]:
        """Start the stack, and stop it at the end of the block.

        Raises:
            StackError: it did not come up, or a service ended unasked.
        """
        stack = full_chain(
            self.plan.topics,
            prefix=self.plan.pv_prefix,
            output=self.folder.absolute(),
            bootstrap=bootstrap,
            events_per_pulse=self.plan.events_per_pulse,
            seed=self.plan.seed,
        )
        with timeline.shown(self.console) as shown:
            self._run = stack.run(self.folder, keep=True, on_event=shown.heard)
            label = StackInfo(name=SMOKE, fingerprint=fingerprint(stack), session=SMOKE)
            with starting(self._run, label):
                self._run.start()
        with self._run_stopped_at_the_end(), hosted(self._run, label, _press_ctrl_c):
            yield self

    def say(self, what: str) -> None:
        """Tell the person at the terminal what was done, and note it for the report."""
        self.steps.append((time.monotonic() - self._started_s, what))
        self.console.print(f"[dim]{self.steps[-1][0]:6.2f} s[/]  {what}", highlight=False, soft_wrap=True)

    def outcome(self) -> Outcome:
        """Take all steps, audit the file and write the report."""
        live = LiveCounts(self._run.service("livedata", LivedataHandle))
        file = Steps(self.plan, self._run, self.say, live).take()
        self._is_written = True
        counted = live.finish()
        self.say(f"{counted:,} events of the panel counted live")
        outcome = self._judged(file, counted)
        outcome.report.write_text(page(outcome), encoding="utf-8")
        return outcome

    def stay(self) -> None:
        """Stop all but the broker and wait for Ctrl-C."""
        for name in reversed(list(self._run)):
            if name != "broker":
                self._run[name].stop()
        self.console.print(f"\nKafka stays up at [bold]{self._run['broker'].endpoints['kafka']}[/]; Ctrl-C ends it", highlight=False)
        try:
            interrupts.wait(threading.Event())
        except KeyboardInterrupt:
            self.console.print("stopping Kafka")

    @contextmanager
    def _run_stopped_at_the_end(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            error.add_note(f"the log of every service is in {self.folder / 'log'}")
            raise
        finally:
            try:
                self._run.stop()
            finally:
                self.unfinished = None if self._is_written else set_apart(self.folder / FILE_NAME)
        self._run.check()

    def _judged(self, file: Path, counted: int) -> Outcome:
        broker = self._run.service("broker", BrokerHandle)
        job = find_job(broker.kafka, [self.plan.topics.pool], job_id=self.plan.job_id)
        result = audit(broker.kafka, job, file, Leeway(after_s=TIME_AFTER_STOP_S))
        self.say("audited from Kafka alone")
        return Outcome(
            plan=self.plan,
            services=_services(self._run),
            ready_s=self._run.ready_s or 0.0,
            total_s=time.monotonic() - self._started_s,
            messages={name: broker.topic(name).count() for name in self.plan.topics.all},
            events=pictures.count_events(file),
            counted_live=counted,
            file=file,
            report=self.folder / REPORT,
            audit=result,
            steps=tuple(self.steps),
        )


def _press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def set_apart(file: Path) -> Path | None:
    """Give a file that was not written to its end a name that says so; return it, None where there is no file."""
    if not file.exists():
        return None
    return file.rename(file.with_name(f"{file.stem}.unfinished{file.suffix}"))


def _services(run: Run) -> tuple[ServiceLine, ...]:
    spans = {span.service: span for span in first_starts(run.journal.events)}
    return tuple(
        ServiceLine(name=name, spawned_s=spans[name].spawned_s or 0.0, ready_s=spans[name].ready_s or 0.0, detail=spans[name].last_seen)
        for name in run
    )
