"""The wheel, in an environment that has no checkout, shows the beamline run and passes a first test.

The environment sees the packages that are installed here, by their path, so that nothing is fetched. Finders of editable installs are not
run from there: testbeam comes from the wheel alone. That the wheel names what it imports is tested in tests/unit/runtime/test_packaging.py.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, install it, and return the environment's folder of programs."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
    compiler = os.environ.get("CC") or shutil.which("cc")
    here = ("--no-build-isolation",) if compiler else ()  # without a compiler the build fetches one
    subprocess.run(
        [*pip, "wheel", "--no-deps", *here, "--wheel-dir", str(folder), str(ROOT)],
        env=os.environ | ({"CC": compiler} if compiler else {}),
        check=True,
        timeout=200,
    )
    (wheel,) = folder.glob("testbeam-*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv/bin/python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], check=True, timeout=60)
    (own,) = (folder / "venv/lib").glob("python*/site-packages")
    (own / "packages_of_this_run.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python.parent


def run_in(folder: Path, environment: Path, *words: str) -> str:
    done = subprocess.run(
        [str(environment / words[0]), *words[1:]],
        cwd=folder,
        env=os.environ | {"PATH": f"{environment}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_of_the_checkout_is_seen(environment: Path, tmp_path: Path) -> None:
    file = run_in(tmp_path, environment, "python", "-c", "import testbeam; print(testbeam.__file__)")

    assert file.startswith(str(environment.parent))


def test_the_beamline_runs(environment: Path, tmp_path: Path) -> None:
    run_in(tmp_path, environment, "testbeam", "smoke", "--events", "80000", "--json", "smoke.json")

    assert json.loads((tmp_path / "smoke.json").read_text())["ok"] is True


def test_a_first_stack_and_its_test_pass(environment: Path, tmp_path: Path) -> None:
    run_in(tmp_path, environment, "testbeam", "init", "stack")

    assert "2 passed" in run_in(tmp_path, environment, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider")
