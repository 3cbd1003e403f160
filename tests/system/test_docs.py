"""Every Python test that the documentation shows is run as a reader would run it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.relative_to(ROOT) for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")) if "\ndef test_" in path.read_text())


def python_of(page: Path) -> str:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return "\n\n".join(block for block in blocks if "def test_" in block)


def test_the_readme_shows_a_test_of_about_twelve_lines() -> None:
    body = python_of(Path("README.md")).split("def test_")[1]

    assert len([line for line in body.splitlines() if line.strip()]) <= 12


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_tests_of_a_page_pass(page: Path, tmp_path: Path) -> None:
    (tmp_path / "test_of_the_page.py").write_text(python_of(page))

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_of_the_page.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
