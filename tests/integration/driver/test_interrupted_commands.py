"""A command of a script whose wait is broken off: what is left of it."""

import os
from pathlib import Path

import pytest

from testbeam.driver import commands
from testbeam.driver.waiting import RequestedAssertionFailed, Waits


class BrokenOff(Waits):
    """Breaks a wait off once a file is written."""

    file: Path

    def look_after_conditions(self) -> None:
        if self.file.exists() and self.file.read_text().endswith("\n"):
            raise RequestedAssertionFailed("over")


def test_a_command_whose_wait_is_broken_off_is_killed_and_reaped(tmp_path: Path) -> None:
    waits = BrokenOff()
    waits.file = tmp_path / "pid"

    with pytest.raises(RequestedAssertionFailed, match="over") as broken_off:
        commands.run("echo $$ > pid; exec sleep 1000", os.environ, tmp_path, 60, waits, print)

    assert not Path("/proc", waits.file.read_text().strip()).exists()
    assert broken_off.tb  # has kept the process object, which is reaped by Python, too, when it goes
