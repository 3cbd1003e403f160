"""The tutorial on a NICOS setup's first test: its files are those that the page shows, and its tests pass."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples/control/first_setup"
PAGE = ROOT / "docs/tutorials/test-your-nicos-setup.md"


def test_the_page_shows_the_files_as_they_are() -> None:
    shown = re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)

    assert dict(shown) == {str(file.relative_to(FOLDER)): file.read_text() for file in FOLDER.rglob("*.py")}


@pytest.mark.timeout(200)
def test_its_tests_pass(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "mine", ignore=shutil.ignore_patterns("__pycache__", "data"))
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    done = subprocess.run(words, cwd=tmp_path / "mine", capture_output=True, text=True, timeout=180, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
