import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbeam.hosting import registry
from testbeam.kit.guard import marked

pytestmark = pytest.mark.timeout(300)

README = Path(__file__).parents[2] / "README.md"
NOTE = """
import os, pytest
@pytest.fixture(autouse=True)
def note(run):
    with open("noted", "a") as file:
        print(run.id, os.environ.get("PYTEST_XDIST_WORKER", "-"), file=file)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for a reader's tests; every test notes which stack it had, and in which worker."""
    (tmp_path / "runtime-dir").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime-dir"))
    (tmp_path / "conftest.py").write_text(NOTE)
    return tmp_path


def readers_test() -> str:
    block = next(
        block for block in re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL) if "def test_" in block
    )
    return str(block)


def run_pytest(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    return done.stdout + done.stderr


def noted(folder: Path) -> tuple[set[str], set[str]]:
    """Return the stacks and the workers that were noted."""
    lines = [line.split() for line in (folder / "noted").read_text().splitlines()]
    return {line[0] for line in lines}, {line[1] for line in lines}


def test_the_readers_test_passes_in_two_workers_that_share_one_stack(project: Path) -> None:
    for number in range(4):
        (project / f"test_reader_{number}.py").write_text(readers_test())

    said = run_pytest(project, "-n", "2")

    assert "4 passed" in said, said
    stacks, workers = noted(project)
    assert (len(stacks), workers) == (1, {"gw0", "gw1"})
    assert registry.entries() == ()
    assert marked(stacks.pop()) == []


def test_four_stacks_at_once_do_not_see_each_other(project: Path) -> None:
    marker = "\npytestmark = __import__('pytest').mark.testbeam_exclusive\n"
    for number in range(4):
        (project / f"test_reader_{number}.py").write_text(readers_test() + marker)

    said = run_pytest(project, "-n", "4")

    assert "4 passed" in said, said
    stacks, workers = noted(project)
    assert (len(stacks), len(workers)) == (4, 4)
    assert [pid for stack in stacks for pid in marked(stack)] == []


def test_a_stack_that_is_kept_up_serves_one_session_after_the_other(project: Path) -> None:
    def testbeam(*words: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "testbeam", *words], cwd=project, capture_output=True, text=True, timeout=120, check=True
        ).stdout

    testbeam("up", "--detach")
    try:
        (project / "test_reader.py").write_text(readers_test())
        first, second = run_pytest(project, "--testbeam-attach"), run_pytest(project, "--testbeam-attach")
        assert "1 passed" in first, first
        assert "1 passed" in second, second
        assert noted(project)[0] == {entry.id for entry in registry.entries()}
        assert "tb_motion" in testbeam("topic", "ls")
    finally:
        testbeam("down")


def test_a_killed_session_of_two_workers_leaves_nothing(project: Path) -> None:
    (project / "test_wait.py").write_text(
        "import time, pytest\n@pytest.mark.parametrize('n', range(2))\ndef test_a(run, n): time.sleep(1000)\n"
    )
    command = [sys.executable, "-m", "pytest", "-n", "2"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ) as session:
        until = time.monotonic() + 120
        while not (project / "noted").exists() or len((project / "noted").read_text().splitlines()) < 2:
            assert session.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        stack = noted(project)[0].pop()
        assert len(marked(stack)) >= 5

        session.kill()
        session.wait()

        until = time.monotonic() + 5  # promised is one second
        while marked(stack) or registry.entries():
            assert time.monotonic() < until, marked(stack)
            time.sleep(0.01)
