from pathlib import Path

from testbeam.kit.failure import describe
from testbeam.kit.logs import LINE_LENGTH, tail


def test_the_last_lines_are_returned_without_empty_ones(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("one\n\ntwo\nthree\n\n")

    assert tail(log, lines=2) == ["two", "three"]


def test_what_an_earlier_start_has_logged_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("old\nnew\n")

    assert tail(log, since=4) == ["new"]


def test_a_line_of_10_mb_is_cut_to_the_screen_and_says_so(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"x" * 10_000_000 + b"\nlast\n")

    long, last = tail(log)

    assert len(long) < LINE_LENGTH + 40
    assert "characters)" in long
    assert last == "last"


def test_bytes_that_are_no_text_are_shown_all_the_same(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"\xff\xfe broken\n")

    assert tail(log) == ["\ufffd\ufffd broken"]


def test_no_log_is_no_lines(tmp_path: Path) -> None:
    assert tail(tmp_path / "none.log") == []


def test_a_message_names_endpoint_facts_log_and_the_next_thing_to_try(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("boom\n")

    text = describe(
        "service 'x' died",
        endpoints={"kafka": "127.0.0.1:9092"},
        facts=(("last seen", "refused"), ("error", "")),
        log_path=log,
        log_since=0,
        next_step="read it",
    )

    assert text.splitlines() == [
        "service 'x' died",
        "  endpoint   kafka = 127.0.0.1:9092",
        "  last seen  refused",
        f"  log        {log}, its end:",
        "    | boom",
        "  next       read it",
    ]


def test_a_log_that_can_not_be_read_says_so_and_hides_no_other_error(tmp_path: Path) -> None:
    assert tail(tmp_path) == ["(can't be read: Is a directory)"]
