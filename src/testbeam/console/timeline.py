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
from testbeam.model.time import NS_PER_S

_BAR_S = 3.0  # seconds that a full bar stands for; longer ones are cut
_BAR_CELLS = 20
_COLOURS = {"starting": "yellow", "ready": "green", "failed": "bold red", "crashed": "bold red"}


@dataclass(slots=True)
class Row:
    """One service as far as the journal has told."""

    state: str = "declared"
    spawned_s: float = 0.0
    until_s: float | None = None
    detail: str = ""


@dataclass(slots=True)
class Timeline:
    """Folds journal events into rows; `now_s` comes from the caller, so that drawing needs no clock of its own."""

    rows: dict[str, Row] = field(default_factory=dict)
    started_ns: int = 0

    def heard(self, event: Event) -> None:
        """Take in one event; kinds that say nothing of a start-up are left aside."""
        if event.kind == "run_started":
            self.started_ns = event.at_ns
            self.rows = {name: Row() for name in event.data["services"]}
        row = self.rows.get(event.service)
        if row is None:
            return
        at_s = (event.at_ns - self.started_ns) / NS_PER_S
        if event.kind in ("starting", "spawned"):
            row.state, row.spawned_s = "starting", at_s
        elif event.kind == "seen":
            row.detail = str(event.data.get("detail", ""))
        elif event.kind in ("ready", "failed", "crashed"):
            row.state, row.until_s = event.kind, at_s

    def table(self, now_s: float) -> Table:
        """Return the picture of this moment."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for _ in range(4):
            table.add_column(no_wrap=True)
        table.add_column()  # the one that is made narrower where a line is full
        for name, row in self.rows.items():
            table.add_row(Text(name, style="bold"), Text(row.state, style=_COLOURS.get(row.state, "dim")), *self._bar(row, now_s))
        return table

    def _bar(self, row: Row, now_s: float) -> tuple[Text, Text, Text]:
        if row.state == "declared":
            return Text(), Text(), Text()
        end_s = row.until_s if row.until_s is not None else now_s
        first, last = (min(round(s / _BAR_S * _BAR_CELLS), _BAR_CELLS) for s in (row.spawned_s, end_s))
        bar = Text(" " * first + "━" * max(last - first, 1), style=_COLOURS.get(row.state, "dim"))
        detail = Text("" if row.state == "ready" else row.detail, style="dim", no_wrap=True, overflow="ellipsis")
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
