import os
from pathlib import Path

import pytest

from testbeam.kit.journal import Event, Journal, read
from testbeam.kit.journal_views import FirstStart, first_starts
from testbeam.kit.logs import log_slice


def make(path: Path) -> Journal:
    now = iter(range(1000, 100_000, 1000))
    return Journal(path / "events.jsonl", clock_ns=lambda: next(now))


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    journal = make(tmp_path)
    journal.record("spawned", "broker", pid=42)
    journal.record("mark", label="test")
    journal.close()

    assert list(read(journal.path)) == [
        Event(at_ns=1000, kind="spawned", service="broker", data={"pid": 42}),
        Event(at_ns=2000, kind="mark", data={"label": "test"}),
    ]


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    journal = make(tmp_path)
    journal.record("spawned", "broker")
    journal.close()
    with journal.path.open("a") as file:
        file.write('{"at_ns": 3, "ki')

    assert [event.kind for event in read(journal.path)] == ["spawned"]


def test_a_subscriber_hears_every_event_until_it_leaves(tmp_path: Path) -> None:
    journal = make(tmp_path)
    heard: list[str] = []
    leave = journal.subscribe(lambda event: heard.append(event.kind))
    journal.record("ready")
    leave()
    journal.record("stopped")
    journal.close()

    assert heard == ["ready"]


def test_a_subscriber_that_fails_is_dropped_and_reported_and_the_others_hear_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = make(tmp_path)
    heard: list[str] = []

    def fails(event: Event) -> None:
        raise ValueError(event.kind)

    journal.subscribe(fails)
    journal.subscribe(lambda event: heard.append(event.kind))
    journal.record("ready")
    journal.record("stopped")
    journal.close()

    assert heard == ["ready", "stopped"]
    assert caplog.text.count("hears no more") == 1


def test_an_event_after_the_end_is_counted_as_lost(tmp_path: Path) -> None:
    journal = make(tmp_path)
    journal.close()
    journal.record("exited", "broker")

    assert journal.lost == 1


def test_a_full_disk_loses_events_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(Path("/dev/full"))
    journal.record("ready", "broker")
    journal.close()

    assert journal.lost == 1
    assert "events are lost, from ready of broker on: no room left for /dev/full" in caplog.text


def test_the_slice_of_a_log_is_what_lies_between_two_marks(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    log.write_text("before|during|after")
    begin, end = (Event(at_ns=0, kind="mark", data={"logs": {"broker": size}}) for size in (7, 13))

    assert log_slice(begin, end, "broker", log) == "during"
    assert log_slice(begin, end, "other", tmp_path / "other.log") == ""


def test_of_a_slice_that_is_too_long_only_the_end_is_read(tmp_path: Path) -> None:
    log = tmp_path / "loud.log"
    with log.open("wb") as file:
        file.truncate(1 << 40)  # no memory holds that
        file.seek(-7, os.SEEK_END)
        file.write("thé end".encode()[-7:])
    begin, end = (Event(at_ns=0, kind="mark", data={"logs": {"loud": size}}) for size in (100, 1 << 40))

    assert log_slice(begin, end, "loud", log, 4) == f"… (+{(1 << 40) - 104} bytes before)\n end"


def test_the_timeline_has_each_services_first_start() -> None:
    def at(ms: int, kind: str, service: str = "", **data: object) -> Event:
        return Event(at_ns=5_000_000_000 + ms * 1_000_000, kind=kind, service=service, data=data)

    events = [
        at(0, "run_started"),
        at(10, "spawned", "broker"),
        at(20, "seen", "broker", detail="refused"),
        at(500, "ready", "broker"),
        at(600, "spawned", "writer"),
        at(700, "stopped", "broker"),
        at(800, "spawned", "broker"),
    ]

    assert first_starts(events) == (
        FirstStart(service="broker", spawned_s=0.01, ready_s=0.5, ended_s=0.7, last_seen="refused"),
        FirstStart(service="writer", spawned_s=0.6),
    )
