"""Every Python test that the documentation shows is run as a reader would run it."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BY_ANOTHER = "<!-- run by "  # a page that needs more than a stack names the test that runs it


def shows_a_test(page: Path) -> bool:
    text = page.read_text()
    return "\ndef test_" in text and BY_ANOTHER not in text


PAGES = sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md") if shows_a_test(path))  # README.md: see below


def blocks_of(page: Path) -> list[str]:
    """Return the blocks of Python that hold a test."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "def test_" in block]


def takes_the_stack_as_it_is(page: Path) -> bool:
    """Tell whether all tests of a page share what the plug-in starts for them."""
    return all("(run)" in block and "def stack(" not in block for block in blocks_of(page))


ON_ONE_STACK = [page for page in PAGES if takes_the_stack_as_it_is(page)]


def test_the_readme_shows_a_test_of_about_twelve_lines() -> None:
    body = blocks_of(Path("README.md"))[0].split("def test_")[1]

    assert len([line for line in body.splitlines() if line.strip()]) <= 12


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", [page for page in PAGES if page not in ON_ONE_STACK], ids=str)
def test_the_tests_of_a_page_pass(page: Path, tmp_path: Path) -> None:
    run_as_a_reader(page, tmp_path)


JUNK = {
    "KAFKA_OPTS": "-Xjunk",
    "KAFKA_HEAP_OPTS": "-Xmx1k",
    "KAFKA_BOOTSTRAP_SERVERS": "nowhere.invalid:1",
    "SASL_USERNAME": "junk",
    "SASL_MECHANISM": "junk",
    "JAVA_TOOL_OPTIONS": "-Xjunk",
    "EPICS_CA_ADDR_LIST": "nowhere.invalid",
    "EPICS_CA_SERVER_PORT": "1",
    "EPICS_CAS_INTF_ADDR_LIST": "junk",
    "EPICS_CA_MAX_ARRAY_BYTES": "16",
    "EPICS_PVA_NAME_SERVERS": "nowhere.invalid:1",
    "EPICS_PVA_SERVER_PORT": "1",
    "EPICS_PVAS_INTF_ADDR_LIST": "junk",
    "TESTBEAM_FORWARDER_CONFIG_TOPIC": "junk",
    "TESTBEAM_FILEWRITER_BROKERS": "nowhere.invalid:1",
}


@pytest.mark.timeout(300)
def test_the_readme_s_test_and_others_on_its_stack_pass_whatever_the_caller_s_environment_says(tmp_path: Path) -> None:
    run_as_a_reader(Path("README.md"), tmp_path, JUNK, pages=ON_ONE_STACK)


KEPT_UP = """
[stack]
name = "readme"
[services.broker]
role = "broker"
[services.ioc]
role = "ioc"
[services.forwarder]
role = "forwarder"
[services.filewriter]
role = "filewriter"
ini = { time-before-start = "1ms" }  # as if the values of the first run were older than a job looks back
"""


@pytest.mark.timeout(300)
def test_the_readme_s_test_passes_again_and_again_on_a_stack_that_is_kept_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runtime-dir").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime-dir"))
    (tmp_path / "testbeam.toml").write_text(KEPT_UP)
    testbeam = (sys.executable, "-m", "testbeam")
    subprocess.run([*testbeam, "up", "--detach"], cwd=tmp_path, check=True, timeout=120)
    try:
        for _ in range(2):
            run_as_a_reader(Path("README.md"), tmp_path, options=("--testbeam-attach",))
    finally:
        subprocess.run([*testbeam, "down"], cwd=tmp_path, check=True, timeout=60)


def run_as_a_reader(
    page: Path, folder: Path, junk: dict[str, str] | None = None, options: tuple[str, ...] = (), pages: Sequence[Path] = ()
) -> None:
    for one in (page, *pages):
        for number, block in enumerate(blocks_of(one)):
            name = re.sub(r"\W", "_", one.stem)
            (folder / f"test_{name}_{number}.py").write_text(block)  # each by itself: a reader may copy one alone

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "."],
        cwd=folder,
        env=os.environ | (junk or {}),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


SCRIPT = re.compile(r"^<!-- run as a script -->\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SCRIPT_PAGES = sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md") if SCRIPT.search(path.read_text()))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", SCRIPT_PAGES, ids=str)
def test_the_scripts_of_a_page_end_well(page: Path, tmp_path: Path) -> None:
    for script in SCRIPT.findall((ROOT / page).read_text()):
        done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


IN_A_SHELL = re.compile(r"^<!-- run in a shell -->\n```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL_PAGES = sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md") if IN_A_SHELL.search(path.read_text()))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", SHELL_PAGES, ids=str)
def test_the_command_lines_of_a_page_can_be_typed_one_after_the_other(page: Path, tmp_path: Path) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "XDG_RUNTIME_DIR": str(runtime),  # whose stacks are up is nobody else's matter
        "GITHUB_ENV": str(tmp_path / "github.env"),
    }
    typed = [line.removeprefix("$ ") for block in IN_A_SHELL.findall((ROOT / page).read_text()) for line in block.splitlines()]

    done = subprocess.run(
        ["sh", "-e", "-x", "-c", "\n".join(typed)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
