"""One run of a role's suite by pytest, and its outcome."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from testbeam.errors import SettingsError, StackError
from testbeam.kit import template
from testbeam.suites.subject import Subject

_SUITES = Path(__file__).parent
_NO_ROLE = ("first_light",)  # a program on top of the kit, not a suite of tests
_PLUGINS = ("pytest_timeout", "xdist")
_EXTRA = "pip install 'testbeam[verify]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test: `outcome` is passed, failed, skipped, expected failure or unexpected pass; `why` is its last line or its reason."""

    name: str
    outcome: str
    seconds: float
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a suite; `ended` is pytest's own exit code."""

    role: str
    subject: tuple[str, ...]
    cases: tuple[Case, ...]
    seconds: float
    ended: int
    folder: Path
    interrupted: bool = False  # by Ctrl-C

    @property
    def ok(self) -> bool:
        """Return whether at least one test passed, none failed, and pytest came to its end."""
        return self.ended == pytest.ExitCode.OK and self.count("passed") > 0 and not self.count("failed")

    def count(self, outcome: str) -> int:
        """Return how many tests had this outcome."""
        return sum(case.outcome == outcome for case in self.cases)

    def as_json(self) -> dict[str, Any]:
        """Return the answer for programs; keys may be added, never changed."""
        return {
            "ok": self.ok,
            "passed": self.count("passed") + self.count("unexpected pass"),
            "failed": self.count("failed"),
            "expected_failures": self.count("expected failure"),
            "seconds": round(self.seconds, 3),
            "role": self.role,
            "subject": list(self.subject),
            "skipped": self.count("skipped"),
            "unexpected_passes": [case.name for case in self.cases if case.outcome == "unexpected pass"],
            "folder": str(self.folder),
            "tests": [asdict(case) for case in self.cases],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run of a suite and how: `select` as pytest's -k, `workers` of pytest-xdist (0: in this process)."""

    role: str
    subject: Subject
    folder: Path
    select: str = ""
    workers: int = 0
    build: str = ""
    further: tuple[str, ...] = ()


def roles() -> tuple[str, ...]:
    """Return the roles that have a suite."""
    found = (path.parent.name for path in _SUITES.glob("*/test_*.py"))
    return tuple(sorted(set(found) - set(_NO_ROLE)))


def run(order: Order) -> Outcome:
    """Run a suite; what pytest prints goes to the terminal as it does for everybody.

    Raises:
        SettingsError: there is no suite of this role.
        StackError: a plug-in of pytest that suites need is not installed.
    """
    if order.role not in roles():
        raise SettingsError("role", order.role, f"a role that has a suite; {template.near(order.role, roles())}")
    missing = [name for name in _PLUGINS if find_spec(name) is None]
    if missing:
        raise StackError(f"suites need {' and '.join(missing)}, which is not installed:  {_EXTRA}")
    collector = _Collector()
    begin_s = monotonic()
    ended = pytest.main(_argv(order), plugins=[collector])
    return Outcome(
        role=order.role,
        subject=order.subject.words(),
        cases=collector.cases(),
        seconds=monotonic() - begin_s,
        ended=int(ended),
        folder=order.folder,
        interrupted=collector.interrupted,
    )


def _argv(order: Order) -> list[str]:
    """Return pytest's command line: our own settings, so that none of the folder that the user is in counts."""
    # as --option=value: pytest takes a lone value of an option that it does not know yet for the path of tests
    return [
        *("-c", str(_SUITES / "suite.ini"), f"--rootdir={_SUITES}", f"--confcutdir={_SUITES}"),
        *(f"--suite-folder={order.folder}", f"--testbeam-bundles={order.folder / 'failures'}", f"--junit-xml={order.folder / 'junit.xml'}"),
        *(f"--suite-subject={subject}" for subject in order.subject.words()),
        *((f"--suite-build={order.build}",) if order.build else ()),
        *(("-k", order.select) if order.select else ()),
        *(("-n", str(order.workers)) if order.workers else ("-p", "no:xdist")),
        *order.further,
        str(_SUITES / order.role),
    ]


@dataclass(slots=True, eq=False)  # pytest wants its plug-ins hashable
class _Collector:
    """Notes the outcome of each test, from this process or from workers."""

    interrupted: bool = False
    _reports: dict[str, list[pytest.TestReport]] = field(default_factory=dict)
    _not_collected: list[pytest.CollectReport] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in one phase of a test."""
        self._reports.setdefault(report.nodeid, []).append(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take in a file that can't be imported."""
        if report.failed:
            self._not_collected.append(report)

    def pytest_keyboard_interrupt(self) -> None:
        """Take in Ctrl-C."""
        self.interrupted = True

    def cases(self) -> tuple[Case, ...]:
        """Return every test that has run, in that order."""
        broken = [Case(name=one.nodeid, outcome="failed", seconds=0.0, why=_last_line(str(one.longrepr))) for one in self._not_collected]
        return (*broken, *(_case(name, phases) for name, phases in self._reports.items()))


def _case(name: str, phases: Iterable[pytest.TestReport]) -> Case:
    phases = tuple(phases)
    worst = next((one for one in phases if one.failed), None) or next((one for one in phases if one.skipped), None)
    decisive = worst or next((one for one in phases if one.when == "call"), phases[-1])
    outcome, why = _verdict(decisive)
    return Case(name=name, outcome=outcome, seconds=round(sum(one.duration for one in phases), 3), why=why)


def _verdict(report: pytest.TestReport) -> tuple[str, str]:
    expected = getattr(report, "wasxfail", None)
    if expected is not None:
        return ("expected failure" if report.skipped else "unexpected pass"), str(expected)
    if report.failed:
        return "failed", _last_line(report.longreprtext)
    if report.skipped:
        return "skipped", str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    return "passed", ""


def _last_line(text: str) -> str:
    """Return the line of a traceback that says what went wrong: pytest marks it with E."""
    marked = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    return (marked or text.splitlines() or [""])[0]
