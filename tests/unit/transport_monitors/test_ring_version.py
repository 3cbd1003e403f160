import _ctypes
import logging
import re
from pathlib import Path

import pytest

from testbeam.doctor import installed
from testbeam.doctor.examination import State
from testbeam.transport.ca import monitor, ring
from testbeam.transport.ca.callbacks import Callbacks

pytestmark = pytest.mark.skipif(not ring.is_available(), reason="there is no native ring for this platform")


def test_the_library_that_is_installed_is_of_this_version() -> None:
    assert ring.outdated() == ""


def test_source_and_module_have_one_number_and_the_same_functions() -> None:
    source = ring.LIBRARY.with_name("ring.c").read_text()
    number = re.search(r"int ring_version\(void\) { return (\d+); }", source)

    assert number is not None
    assert int(number[1]) == ring.VERSION
    assert set(re.findall(r"^[^\s].*?\b(ring_\w+)\(", source, re.MULTILINE)) == {*ring._FUNCTIONS, "ring_version"}


@pytest.mark.parametrize("how", ["version", "functions", "no library at all"])
def test_another_one_is_passed_over_with_a_warning_and_the_way_out(
    how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.delenv(ring.WITHOUT_VARIABLE, raising=False)
    if how == "version":
        monkeypatch.setattr(ring, "VERSION", ring.VERSION + 1)
    else:
        other = tmp_path / "_ring.so"
        other.write_bytes(Path(_ctypes.__file__).read_bytes() if how == "functions" else b"cut off")
        monkeypatch.setattr(ring, "LIBRARY", other)

    with caplog.at_level(logging.WARNING):
        receiver = monitor.make_receiver()
    found = installed.look_at_channel_access()

    assert isinstance(receiver, Callbacks)
    assert "ctypes call-backs" in caplog.text
    assert "pip install -e ." in caplog.text
    assert found.state is State.LIMITED
    assert "pip install -e ." in found.remedy
