"""The second try of `make test`: named, counted, and for three tests at most."""

import json
from pathlib import Path

import pytest

from tests import run as suite


@pytest.fixture
def tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[str]]]:
    """Outcomes of the runs to come, each (exit code, what failed); consumed in order."""
    coming: list[tuple[int, list[str]]] = []
    monkeypatch.setattr(suite, "LAST_FAILED", tmp_path / "lastfailed")

    def pretended(*_options: str) -> int:
        code, names = coming.pop(0)
        suite.LAST_FAILED.write_text(json.dumps(dict.fromkeys(names, True)))
        return code

    monkeypatch.setattr(suite, "run", pretended)
    return coming


def test_a_suite_that_passes_is_run_once(tries: list[tuple[int, list[str]]]) -> None:
    tries += [(0, [])]

    assert suite.main("4", []) == 0
    assert tries == []


def test_a_test_that_passes_by_itself_is_named_and_counted(tries: list[tuple[int, list[str]]], capsys: pytest.CaptureFixture[str]) -> None:
    tries += [(1, ["a::test_1", "b::test_2"]), (1, ["b::test_2"])]

    assert suite.main("4", []) == 1
    told = capsys.readouterr().out
    assert "second try: a::test_1 passed" in told
    assert "second try: b::test_2 failed again" in told
    assert "1 of at most 3" in told


def test_three_may_have_a_second_try_and_four_may_not(tries: list[tuple[int, list[str]]]) -> None:
    tries += [(1, ["t1", "t2", "t3"]), (0, [])]
    assert suite.main("4", []) == 0

    tries += [(1, ["t1", "t2", "t3", "t4"])]
    assert suite.main("4", []) == 1
    assert tries == []


def test_what_is_no_failure_of_a_test_is_not_tried_again(tries: list[tuple[int, list[str]]]) -> None:
    tries += [(2, ["t1"])]

    assert suite.main("4", []) == 2
    assert tries == []
