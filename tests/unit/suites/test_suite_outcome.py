from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from testbeam.errors import SettingsError
from testbeam.suites import runner, summary
from testbeam.suites.runner import Case, Outcome
from testbeam.suites.subject import Subject


def outcome(*outcomes: str, ended: int = 0) -> Outcome:
    cases = tuple(Case(name=f"test_{number}", outcome=one, seconds=0.1) for number, one in enumerate(outcomes))
    return Outcome(role="broker", subject=(), cases=cases, seconds=1.0, ended=ended, folder=Path("/f"))


@pytest.mark.parametrize(
    ("outcomes", "ended", "ok"),
    [
        (("passed", "expected failure", "skipped"), 0, True),
        (("passed", "unexpected pass"), 0, True),
        (("passed", "failed"), 1, False),
        (("skipped",), 0, False),  # nothing was shown
        ((), 5, False),
        (("passed",), 2, False),  # it was interrupted
    ],
)
def test_a_suite_is_ok_when_something_passed_and_nothing_failed(outcomes: tuple[str, ...], ended: int, ok: bool) -> None:
    assert outcome(*outcomes, ended=ended).ok is ok


def test_the_answer_for_programs_has_its_five_keys() -> None:
    answer = outcome("passed", "unexpected pass", "failed", "expected failure", "skipped", ended=1).as_json()

    five = {key: answer[key] for key in ("ok", "passed", "failed", "expected_failures", "seconds")}
    assert five == {"ok": False, "passed": 2, "failed": 1, "expected_failures": 1, "seconds": 1.0}
    assert answer["unexpected_passes"] == ["test_1"]


def report(when: str, result: str, **more: Any) -> pytest.TestReport:
    one = pytest.TestReport("t.py::test_x", ("t.py", 1, "test_x"), {}, result, more.pop("longrepr", None), when, duration=0.5)  # type: ignore[arg-type]
    vars(one).update(more)
    return one


@pytest.mark.parametrize(
    ("phases", "told"),
    [
        ([("setup", "passed", {}), ("call", "passed", {}), ("teardown", "passed", {})], ("passed", "")),
        ([("setup", "failed", {"longrepr": "x\nE  the stack did not start"})], ("failed", "the stack did not start")),
        ([("setup", "passed", {}), ("call", "passed", {}), ("teardown", "failed", {"longrepr": "late"})], ("failed", "late")),
        ([("setup", "skipped", {"longrepr": ("f", 1, "no engine")})], ("skipped", "no engine")),
        ([("setup", "passed", {}), ("call", "skipped", {"wasxfail": "known"})], ("expected failure", "known")),
        ([("setup", "passed", {}), ("call", "passed", {"wasxfail": "known"})], ("unexpected pass", "known")),
    ],
)
def test_the_outcome_of_a_test_is_that_of_its_worst_phase(phases: list[tuple[str, str, dict[str, Any]]], told: tuple[str, str]) -> None:
    collector = runner._Collector()
    for when, result, more in phases:
        collector.pytest_runtest_logreport(report(when, result, **more))

    (case,) = collector.cases()

    assert (case.outcome, case.why) == told


def test_a_role_without_a_suite_is_refused_with_those_that_have_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="broker"):
        runner.run(runner.Order(role="brokr", subject=Subject(), folder=tmp_path))


@pytest.mark.parametrize("role", runner.roles())
def test_a_suite_has_a_run_of_its_own_where_one_session_runs_several(role: str) -> None:
    conftest = Path(runner.__file__).parent / role / "conftest.py"

    # a fixture is made once for the folder that defines it: without this line the first suite's stack would serve all
    assert "from testbeam.pytest_plugin.fixtures import shared_run as shared_run" in conftest.read_text()


def test_ctrl_c_is_told_apart_from_a_suite_without_tests(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def pressed(_argv: list[str], plugins: list[Any]) -> int:
        plugins[0].pytest_keyboard_interrupt()
        return int(pytest.ExitCode.INTERRUPTED)

    monkeypatch.setattr(pytest, "main", pressed)
    told = runner.run(runner.Order(role="broker", subject=Subject(), folder=Path("/f")))
    summary.show(told, Console())

    assert told.interrupted
    assert not told.ok
    assert "interrupted, no test was run" in capsys.readouterr().out
