"""A check that must have a network of its own is skipped, with the way out, where the kernel allows none."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from testbeam.driver.log import TestLog
from testbeam.driver.program import run_check
from testbeam.driver.results import as_json, junit, page
from testbeam.driver.spec import CheckSpec
from testbeam.kit import private_net


def test_it_is_neither_run_nor_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_net, "is_allowed", lambda: False)
    script = tmp_path / "cut.py"
    script.write_text("raise Exception('was run')")

    result = run_check(CheckSpec(name="cut", script=script, machines=(), private=True), TestLog(), tmp_path)

    assert result.ok
    assert "unprivileged_userns_clone" in result.skipped
    found = as_json([result])
    assert (found["ok"], found["passed"], found["failed"], found["skipped"]) == (True, 0, 0, 1)
    suite = ElementTree.fromstring(junit([result])).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("skipped"), suite.get("failures")) == ("1", "1", "0")
    assert suite.find("testcase/skipped") is not None
    assert "skipped: it needs a network of its own" in page([result])
