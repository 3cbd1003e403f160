import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testbeam.cli.prompt.names import namespace, service_names
from testbeam.cli.prompt.recorder import install
from testbeam.errors import SettingsError
from testbeam.kit.run import Run
from testbeam.stacks.toml.file import load

FILE = """
[stack]
name = "tiny"

[services.sleeper-1]
command = ["sleep", "1000"]
"""

Shell = Callable[[str], Any]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "testbeam.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def run(file: Path) -> Iterator[Run]:
    with load(file).stack.run() as running:
        yield running


@pytest.fixture
def shell(run: Run, file: Path, tmp_path: Path) -> Iterator[Shell]:
    """Return what types one cell into a real IPython with the names of a prompt."""
    from IPython.core import history, interactiveshell

    manager: Any = history.HistoryManager
    manager.enabled = False
    kind: Any = interactiveshell.InteractiveShell
    prompt = kind(user_ns=namespace(run, run.stack))
    install(prompt, service_names(list(run)), str(file))
    yield lambda cell: prompt.run_cell(cell, store_history=True)
    kind.clear_instance()


def run_pytest(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", name]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def run_testbeam(folder: Path, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "testbeam", *words]
    return subprocess.run(command, cwd=folder, input=typed, capture_output=True, text=True, timeout=60, check=False)


def test_what_went_well_at_the_prompt_is_saved_as_a_test_that_passes(shell: Shell, tmp_path: Path) -> None:
    for cell in (
        "service = run['sleeper-1']",
        "1 / 0",
        "%timeit -n1 -r1 1",
        "with sleeper_1.paused():\n    # for a moment\n    assert service.state == 'paused'\n    print(faults.active)",
        "file = name('volt.nxs')",
        "wait_for_condition(lambda: service.state == 'ready' and file.endswith('.volt.nxs'))",
        "text = '''two\nlines'''",
        "assert text.splitlines() == ['two', 'lines']",
    ):
        shell(cell)
    shell("%save_test pausing")

    saved = (tmp_path / "test_pausing.py").read_text()
    assert "1 / 0" not in saved
    assert "timeit" not in saved
    assert "def test_pausing(run, name):" in saved
    done = run_pytest(tmp_path, "test_pausing.py")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_a_saved_test_fails_when_what_it_saw_is_no_longer_so(shell: Shell, tmp_path: Path) -> None:
    shell("assert run['sleeper-1'].pid")
    shell("state = run['sleeper-1'].state")
    shell("assert state == 'ready'")
    shell("%save_test state")
    path = tmp_path / "test_state.py"
    path.write_text(path.read_text().replace("'ready'", "'stopped'"))

    assert "1 failed" in run_pytest(tmp_path, "test_state.py").stdout


@pytest.mark.parametrize(
    ("cells", "words", "problem"),
    [
        ((), "nothing", "no line has gone well"),
        (("1 + 1", "print(_)"), "underscore", "only a prompt has"),
        (("x = 1",), "two words", "one name"),
        (("x = 1",), "", "one name"),
    ],
)
def test_what_can_not_be_saved_is_refused_with_the_reason(
    shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str], cells: tuple[str, ...], words: str, problem: str
) -> None:
    for cell in cells:
        shell(cell)

    result = shell(f"%save_test {words}")

    assert isinstance(result.error_in_exec, SettingsError)
    assert problem in str(result.error_in_exec)
    assert "Traceback" not in capsys.readouterr().out
    assert list(tmp_path.glob("test_*.py")) == []


def test_a_file_that_is_there_is_kept_unless_it_is_forced(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "test_mine.py"
    path.write_text("mine")
    shell("x = 1")

    shell("%save_test mine")
    assert path.read_text() == "mine"
    shell("%save_test mine --force")
    assert "x = 1" in path.read_text()


def test_the_command_opens_a_prompt_on_the_stack_and_ends_it(file: Path, tmp_path: Path) -> None:
    typed = "print(sleeper_1.state, run.folder)\n%save_test typed\n"

    done = subprocess.run(
        [sys.executable, "-m", "testbeam", "shell"], cwd=tmp_path, input=typed, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "ready /" in done.stdout
    assert (tmp_path / "test_typed.py").exists()


def test_a_prompt_joins_a_running_stack_and_leaves_it_up(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runtime").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))

    def testbeam(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return run_testbeam(tmp_path, *words, typed=typed)

    assert "no running stack is of this declaration" in testbeam("shell", "--attach").stderr
    testbeam("up", "--detach")
    try:
        for words in (("shell", "--attach"), ("shell", "testbeam.toml", "--attach"), ("shell", "--stack", "tiny")):
            done = testbeam(*words, typed="print(sleeper_1.state)\nsleeper_1.restart()\n")
            assert done.returncode == 0, done.stderr
            assert "joined stack" in done.stdout
            assert "ready\n" in done.stdout
    finally:
        assert "has ended" in testbeam("down").stdout


def test_a_prompt_joins_the_stack_of_the_file_in_its_folder_and_no_other(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runtime").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    bare, other = tmp_path.parent / f"{tmp_path.name}-bare", tmp_path / "other"
    for folder in (bare, other):
        folder.mkdir()
    (other / "testbeam.toml").write_text(FILE.replace("1000", "999").replace("tiny", "other"))

    def joined(folder: Path, *words: str) -> str:
        done = run_testbeam(folder, "shell", *words, typed="1\n")
        return next((line.split()[3] for line in done.stdout.splitlines() if line.startswith("joined stack")), done.stderr)

    assert "no stack of yours is up" in joined(bare, "--attach")
    run_testbeam(tmp_path, "up", "--detach")
    try:
        assert joined(bare, "--attach") == "(tiny)"
        assert "no running stack is of this declaration" in joined(other, "--attach")
        assert joined(other, "--stack", "tiny") == "(tiny)"
        run_testbeam(other, "up", "--detach")
        assert joined(other, "--attach") == "(other)"
        assert joined(other, str(file), "--attach") == "(tiny)"
        assert "2 stacks are up" in joined(bare, "--attach")
    finally:
        for name in ("tiny", "other"):
            run_testbeam(tmp_path, "down", name)
