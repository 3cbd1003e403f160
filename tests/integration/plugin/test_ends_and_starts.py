"""A session that is ended by a signal, and stacks that do not start: what is left, and what is told."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testbeam.clients.waiting import wait_for_condition

pytest_plugins = ["pytester"]

WAITS = "import time\ndef test_waits(shared_run):\n    open('waits', 'w').close()\n    time.sleep(60)\n"
BAD = """
import pytest
from testbeam import Service, Stack
from testbeam.probes import FileExists

@pytest.fixture(scope="session")
def stack():
    return Stack(
        Service("good", command=("sh", "-c", "echo hello from good; exec sleep 1000")),
        Service("bad", command=("sh", "-c", "echo no such record; exit 3"), needs=("good",), ready=FileExists("there")),
    )
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda number: number.name)
def test_a_session_that_is_ended_leaves_no_folder(project: pytest.Pytester, tmp_path: Path, number: signal.Signals) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    project.makepyfile(WAITS)
    words = [sys.executable, "-m", "pytest", "-p", "no:xdist"]
    with subprocess.Popen(words, cwd=project.path, env={**os.environ, "TMPDIR": str(runs)}, stdout=subprocess.DEVNULL) as session:
        wait_for_condition(lambda: (project.path / "waits").exists(), within_s=30)
        assert [*runs.glob("testbeam-*")]
        session.send_signal(number)
        session.wait(20)

    wait_for_condition(lambda: not [*runs.glob("testbeam-*")], within_s=60)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stack_that_does_not_start_leaves_its_page_and_logs(project: pytest.Pytester, workers: int) -> None:
    project.makeconftest(BAD)
    project.makepyfile("def test_a(run): pass\ndef test_b(run): pass\ndef test_c(run): pass\n")

    result = project.runpytest_subprocess("-n", str(workers), "--junitxml=junit.xml")

    result.assert_outcomes(errors=3)
    pages = sorted((project.path / "runtime" / "failures").glob("*-setup/report.html"))
    assert len(pages) in ((1,) if workers == 0 else (1, 2))  # one a process, however many tests wanted the stack
    text = pages[0].read_text()
    for words in ("bad", "no such record", "hello from good", "exited with code 3", "testbeam ", "Python "):
        assert words in text
    assert (pages[0].parent / "log" / "bad.log").read_text() == "no such record\n"
    assert '"kind": "failed"' in (pages[0].parent / "events.jsonl").read_text()
    result.stdout.fnmatch_lines([f"*what happened in the start of the stack, with all logs: {pages[0]}*"])
    assert "testbeam_page_setup" in (project.path / "junit.xml").read_text()


def test_the_page_of_a_test_that_passes_by_now_is_removed_and_the_others_stay(project: pytest.Pytester) -> None:
    project.makepyfile("import os\ndef test_a(run): assert 'FINE' in os.environ\ndef test_b(run): assert False\n")
    failures = project.path / "runtime" / "failures"

    project.runpytest_subprocess().assert_outcomes(failed=2)
    first = sorted(path.name for path in failures.iterdir())
    os.environ["FINE"] = "1"
    try:
        project.runpytest_subprocess().assert_outcomes(passed=1, failed=1)
    finally:
        del os.environ["FINE"]

    assert len(first) == 2
    assert [path.name for path in failures.iterdir()] == [name for name in first if "test_b" in name]


def test_where_the_root_folder_can_not_be_written_the_page_is_elsewhere_and_it_is_said_where(
    project: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (project.path / "runtime").write_text("a file is in the way, as a read-only folder would be")
    project.makepyfile("def test_a(run): assert False\n")

    result = project.runpytest_subprocess()

    page = next(found[1] for line in result.outlines if (found := re.search(r"what happened, with all logs: (\S+)", line)))
    assert "testbeam-failures-" in page
    assert Path(page).exists()
