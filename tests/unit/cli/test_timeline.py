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
    timeline.heard(Event(at_ns=0, kind="run_started", service="", data={"services": ["event_source", "ioc"]}))
    for name in ("event_source", "ioc"):
        timeline.heard(Event(at_ns=1, kind="starting", service=name, data={}))
        timeline.heard(Event(at_ns=2, kind="seen", service=name, data={"detail": "127.0.0.1:42175 answers, but " * 20}))

    for width in (80, 40):
        assert len(drawn(timeline, width)) == 2
    source, ioc = drawn(timeline, 80)
    assert source.startswith("event_source  starting  ")  # what is cut is what the probe has to say
    assert source.index("starting") == ioc.index("starting")


def test_a_row_says_how_far_its_service_is_and_since_when() -> None:
    timeline = Timeline()

    def at(ms: int, kind: str, service: str = "", **data: object) -> None:
        timeline.heard(Event(at_ns=7_000_000_000 + ms * 1_000_000, kind=kind, service=service, data=data))

    at(0, "run_started", services=["broker", "ioc", "writer", "later"])
    for service in ("broker", "ioc", "writer"):
        at(10, "starting", service)
        at(20, "spawned", service)
    at(30, "seen", "ioc", detail="not listening yet")
    at(300, "ready", "broker")
    at(400, "crashed", "writer")

    broker, ioc, writer, later = drawn(timeline, 80)
    assert broker.split() == ["broker", "ready", "━━", "0.30", "s"]
    assert ioc.split() == ["ioc", "starting", "━━━", "0.50", "s", "not", "listening", "yet"]
    assert writer.split()[:2] == ["writer", "crashed"]
    assert "0.40 s" in writer
    assert later.split() == ["later", "declared"]


def test_a_service_that_does_not_listen_yet_is_no_error() -> None:
    def refused() -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    assert safely(refused).detail == "not listening yet"  # type: ignore[arg-type]
