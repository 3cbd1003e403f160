import io

from rich.console import Console

from testbeam.console.timeline import Timeline
from testbeam.kit.journal import Event
from testbeam.kit.probing import safely


def drawn(timeline: Timeline, width: int) -> list[str]:
    shown = io.StringIO()
    Console(width=width, file=shown).print(timeline.table(0.5))
    return [line for line in shown.getvalue().splitlines() if line.strip()]


def test_a_row_stays_one_line_whatever_its_probe_has_to_say() -> None:
    timeline = Timeline()
    timeline.heard(Event(at_ns=0, kind="run_started", service="", data={"services": ["broker", "ioc"]}))
    for name in ("broker", "ioc"):
        timeline.heard(Event(at_ns=1, kind="starting", service=name, data={}))
        timeline.heard(Event(at_ns=2, kind="seen", service=name, data={"detail": "127.0.0.1:42175 answers, but " * 20}))

    for width in (80, 40):
        assert len(drawn(timeline, width)) == 2


def test_a_service_that_does_not_listen_yet_is_no_error() -> None:
    def refused() -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    assert safely(refused).detail == "not listening yet"  # type: ignore[arg-type]
