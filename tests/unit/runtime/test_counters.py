import logging

import pytest

from testbeam.runtime.counters import Drops


def test_each_reason_is_counted_by_itself() -> None:
    drops = Drops(logging.getLogger("test"))
    drops.add("too old")
    drops.add("too old", n=4)
    drops.add("unknown schema")

    assert drops.counts == {"too old": 5, "unknown schema": 1}
    assert drops.total == 6


def test_a_flood_is_logged_at_powers_of_ten_only(caplog: pytest.LogCaptureFixture) -> None:
    drops = Drops(logging.getLogger("test"))
    for _ in range(1_000):
        drops.add("junk", "topic data offset 7")

    assert [record.args[1] for record in caplog.records if isinstance(record.args, tuple)] == [1, 10, 100, 1_000]
    assert "topic data offset 7" in caplog.text


def test_a_detail_of_megabytes_is_told_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    Drops(logging.getLogger("test")).add("junk", f"source {'x' * 10_000_000}")

    assert "source xxx" in caplog.text
    assert len(caplog.text) < 1_000
