"""Lines of a program's log: no text forges one, and what is indented below one stays readable."""

import logging

from testbeam.runtime.logs import Formatter


def formatted(message: str) -> str:
    return Formatter().format(logging.LogRecord("ioc", logging.ERROR, "", 0, message, None, None))


def test_a_mark_under_a_line_of_source_stays_under_its_place() -> None:
    assert formatted("x.db, line 3: no\n    field(A)\n          ^").endswith("ioc: x.db, line 3: no\n    field(A)\n          ^")


def test_no_text_forges_an_event_or_steers_a_terminal() -> None:
    first, *more = formatted("a\n2026-11-27T00:00:00.000Z INFO ioc: fine\x1b[2J\n    b\x1b[0m" + "\n    c" * 1000).split("\n")
    assert first.endswith(r"ioc: a\n2026-11-27T00:00:00.000Z INFO ioc: fine\x1b[2J")
    assert more[0] == r"    b\x1b[0m"
    assert len(more) == 40
