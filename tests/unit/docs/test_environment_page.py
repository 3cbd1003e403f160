"""The page of environment variables names all that the code names."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
QUOTED = re.compile(r"""["'](TESTBEAM_[A-Z0-9_]*[A-Z0-9])["']""")


def test_every_variable_of_the_code_is_on_the_page() -> None:
    in_code = {name for file in (ROOT / "src/testbeam").rglob("*.py") for name in QUOTED.findall(file.read_text(encoding="utf-8"))}
    page = set(re.findall(r"`(TESTBEAM_[A-Z0-9_]+)`", (ROOT / "docs/reference/environment.md").read_text(encoding="utf-8")))

    assert len(in_code) > 20
    assert in_code - page == set()
