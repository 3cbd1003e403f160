"""The walks through the code name files that are there, each once."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WALKS = {"pv-to-dataset.md": ("src/testbeam", 24), "declaration-to-ready.md": ("src/testbeam/kit", 15)}


@pytest.mark.parametrize("page", WALKS)
def test_a_walk_names_files_that_are_there(page: str) -> None:
    folder, most = WALKS[page]
    text = (ROOT / "docs/explanation" / page).read_text()
    steps = re.findall(r"^(?:\d+\. |\| \d+ \| )`([^`]+)`", text, re.MULTILINE)

    assert len(steps) == len(set(steps)) <= most
    assert [step for step in steps if not [*(ROOT / folder).glob(step)]] == []
