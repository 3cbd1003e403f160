"""The two harnesses that are written anew in examples/ run as they are, and are short."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "moved_harnesses"
RUNNER, LIVE = FOLDER / "smoke_runner.py", FOLDER / "test_live_services.py"


@pytest.mark.parametrize("file", [RUNNER, LIVE], ids=lambda file: file.name)
def test_it_has_less_than_sixty_lines(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.timeout(240)
def test_the_smoke_runner_scans_into_a_file(tmp_path: Path) -> None:
    done = run_in(tmp_path, str(RUNNER))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "_1234_00000001.hdf: " in done.stdout


@pytest.mark.timeout(240)
def test_the_harness_of_live_data_passes(tmp_path: Path) -> None:
    (tmp_path / LIVE.name).write_text(LIVE.read_text(encoding="utf-8"), encoding="utf-8")

    done = run_in(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", ".")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def run_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=220, check=False
    )
