"""Fixtures of every suite: the subject, its expected failures by name, and the logs of the run."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbeam.suites.subject import EXPECTED_FAILURES, Subject, build_at, known_builds, subject_of

if TYPE_CHECKING:
    from testbeam.kit.protocols import RunLike

_SUBJECT = "--suite-subject"
_BUILD = "--suite-build"
_FOLDER = "--suite-folder"
_KEEP = "--suite-keep-run"
_SUITES = Path(__file__).parent


def _uncopyable(folder: str, names: list[str]) -> list[str]:
    """Return what can't be copied: sockets and pipes."""
    return [name for name in names if not (Path(folder) / name).is_file() and not (Path(folder) / name).is_dir()]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `testbeam verify` says to pytest."""
    group = parser.getgroup("testbeam suites")
    group.addoption(_SUBJECT, action="append", default=[], metavar="KIND:ROLE=VALUE", help="what takes the place of ours in a role")
    group.addoption(_BUILD, default="", metavar="NAME", help="the build whose expected failures count (default: recognised by its files)")
    group.addoption(_KEEP, action="store_true", help="copy the services' own folders, too")
    group.addoption(_FOLDER, default="", metavar="FOLDER", help="where the logs of the services are copied to")


@pytest.fixture(scope="session")
def subject(pytestconfig: pytest.Config) -> Subject:
    """Return what the suite is about: `subject.stack(stack)` puts it into a stack."""
    return subject_of(pytestconfig.getoption(_SUBJECT, []))


@pytest.fixture(autouse=True, scope="session")
def _logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep the logs of the shared run where the user said."""
    folder = request.config.getoption(_FOLDER, "")
    if not folder:
        yield
        return
    run: RunLike = request.getfixturevalue("shared_run")
    yield
    shutil.copytree(run.folder / "log", Path(folder) / "log", dirs_exist_ok=True)
    if request.config.getoption(_KEEP, False):
        shutil.copytree(run.folder, Path(folder) / "run", dirs_exist_ok=True, ignore=_uncopyable)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expect the failures of a known build, by the names of its tests; nothing is expected to fail of ours."""
    subject, named = subject_of(config.getoption(_SUBJECT, [])), config.getoption(_BUILD, "")
    for role in {role for item in items if (role := role_of(item))}:
        builds = known_builds(_SUITES / role / EXPECTED_FAILURES)
        build = None if subject.is_ours(role) else build_at(builds, role, subject, named)
        for item in items:
            why = build.failures.get(item.name, "") if build and role_of(item) == role else ""
            if why:
                item.add_marker(pytest.mark.xfail(reason=why, strict=False))


def role_of(item: pytest.Item) -> str:
    """Return the role whose suite a test belongs to; "" if it belongs to none."""
    return item.path.relative_to(_SUITES).parts[0] if item.path.is_relative_to(_SUITES) else ""
