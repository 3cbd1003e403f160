import sys
import time
from pathlib import Path

from testbeam.runtime.clock import chosen, opened

HOUR_NS = 3600 * 10**9


def write(path: Path, shift_ns: int) -> None:
    with path.open("r+b") as file:
        file.write(shift_ns.to_bytes(8, sys.byteorder, signed=True))


def test_without_a_file_it_is_the_machines_clock() -> None:
    wall_ns, shift_ns = chosen(None)

    assert wall_ns is time.time_ns
    assert shift_ns() == 0


def test_a_shift_counts_from_the_moment_in_which_it_is_written(tmp_path: Path) -> None:
    wall_ns, shift_ns = opened(tmp_path / "clock")
    assert shift_ns() == 0

    write(tmp_path / "clock", HOUR_NS)
    assert shift_ns() == HOUR_NS
    assert wall_ns() - time.time_ns() > HOUR_NS / 2

    write(tmp_path / "clock", -HOUR_NS)
    assert time.time_ns() - wall_ns() > HOUR_NS / 2


def test_a_shift_outlives_the_process_that_has_read_it(tmp_path: Path) -> None:
    opened(tmp_path / "clock")
    write(tmp_path / "clock", HOUR_NS)

    assert opened(tmp_path / "clock")[1]() == HOUR_NS
