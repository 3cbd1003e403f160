"""Timeline of a start: one line a service, its state and how long it took, drawn as it happens."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from testbeam.kit.journal import Event
from testbeam.kit.journal_views import FirstStart, first_starts, state_intervals
from testbeam.model.time import NS_PER_S

_BAR_S = 3.0  # seconds that a full bar stands for; longer ones are cut
_BAR_CELLS = 20
_COLOURS = {"starting": "yellow", "ready": "green", "failed": "bold red", "crashed": "bold red"}


@dataclass(slots=True)
class Timeline:
    """The events of a start so far, and their picture; `now_s` comes from the caller, so that drawing needs no clock of its own."""

    events: list[Event] = field(default_factory=list)
    started_ns: int = 0

    def heard(self, event: Event) -> None:
        """Take in one event; what came before the newest start of a run is left aside."""
        if event.kind == "run_started":
            self.started_ns, self.events = event.at_ns, []
        self.events.append(event)

    def table(self, now_s: float) -> Table:
        """Return the picture of this moment."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for _ in range(4):
            table.add_column(no_wrap=True)
        table.add_column()  # the one that is made narrower where a line is full
        states = {one.service: one.state for one in state_intervals(self.events)}
        for start in self._starts():
            state = states.get(start.service, "declared")
            table.add_row(Text(start.service, style="bold"), Text(state, style=_COLOURS.get(state, "dim")), *_bar(start, state, now_s))
        return table

    def _starts(self) -> tuple[FirstStart, ...]:
        """Return the start of every service that the run has, of those not yet begun, too."""
        begun = {start.service: start for start in first_starts(self.events)}
        services = self.events[0].data["services"] if self.events and self.events[0].kind == "run_started" else begun
        return tuple(begun.get(name, FirstStart(service=name)) for name in services)


def _bar(start: FirstStart, state: str, now_s: float) -> tuple[Text, Text, Text]:
    if state == "declared":
        return Text(), Text(), Text()
    until_s = start.ready_s if state == "ready" else start.ended_s
    end_s = now_s if until_s is None else until_s
    first, last = (min(round(s / _BAR_S * _BAR_CELLS), _BAR_CELLS) for s in (start.spawned_s or 0.0, end_s))
    bar = Text(" " * first + "━" * max(last - first, 1), style=_COLOURS.get(state, "dim"))
    detail = Text("" if state == "ready" else start.last_seen, style="dim", no_wrap=True, overflow="ellipsis")
    return bar, Text(f"{end_s:5.2f} s"), detail


@contextmanager
def shown(console: Console) -> Iterator[Timeline]:
    """Draw the timeline while the block runs; where the output is no terminal, say each service once it is ready."""
    timeline = Timeline()
    if not console.is_terminal:
        yield timeline
        console.print(timeline.table(0.0))
        return
    with Live(
        console=console, refresh_per_second=8, get_renderable=lambda: timeline.table((time.monotonic_ns() - timeline.started_ns) / NS_PER_S)
    ):
        yield timeline
