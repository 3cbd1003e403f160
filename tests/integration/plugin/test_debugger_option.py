"""`pytest --wait-to-attach-debugger` holds a service until its developer lets it go on."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbeam.kit.probing import kernel_state
from tests.integration.kit.runners import until

pytest_plugins = ["pytester"]

ONE_TEST = "def test_a(run): assert run['one'].is_running() and run['two'].is_running()"
OWN_STACK = f"import pytest\n@pytest.mark.testbeam_exclusive\n{ONE_TEST}"


@contextmanager
def session(folder: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "pytest", "-n", "0", *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def told_pid(process: "subprocess.Popen[str]", service: str) -> int:
    """Read what the session says until it tells of the held service; return its process id."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(rf"{service} \(pid (\d+)\) is stopped before its first instruction", line):
            return int(found[1])
    raise AssertionError("the session ended without a word of it")


def let_go_on(pid: int) -> None:
    """Do what the developer does, once the process is stopped: it stops itself, right after it was told of."""
    until(lambda: kernel_state(pid) == "T", 60)
    os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("test", [ONE_TEST, OWN_STACK], ids=["shared", "exclusive"])
def test_a_held_service_waits_for_its_developer_and_the_test_for_it(project: pytest.Pytester, test: str) -> None:
    project.makepyfile(test)

    with session(project.path, "--wait-to-attach-debugger=two") as process:
        pid = told_pid(process, "two")
        let_go_on(pid)
        said = process.communicate(timeout=60)[0]

    assert "1 passed" in said, said
    assert process.returncode == 0


@pytest.mark.parametrize("words", [("--wait-to-attach-debugger",), ("--wait-to-attach-debugger", "true")], ids=["alone", "true"])
def test_without_a_name_every_service_is_held(project: pytest.Pytester, words: tuple[str, ...]) -> None:
    project.makepyfile(ONE_TEST)

    with session(project.path, *words) as process:
        for service in ("one", "two"):
            let_go_on(told_pid(process, service))
        said = process.communicate(timeout=60)[0]

    assert "1 passed" in said, said


def test_a_name_that_is_not_there_is_answered_with_a_near_one(project: pytest.Pytester) -> None:
    project.makepyfile(ONE_TEST)

    result = project.runpytest_subprocess("--wait-to-attach-debugger=tow")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*--wait-to-attach-debugger=tow: no such service*did you mean two?*"])


@pytest.mark.parametrize("other", [("-n", "2"), ("--testbeam-attach",)], ids=["workers", "attached"])
def test_a_stack_that_is_not_started_at_this_terminal_can_not_be_held(project: pytest.Pytester, other: tuple[str, ...]) -> None:
    project.makepyfile(ONE_TEST)

    result = project.runpytest_subprocess("--wait-to-attach-debugger", *other)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--wait-to-attach-debugger holds services that are started from this terminal; use it with -n 0*"])
