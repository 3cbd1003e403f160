"""Every `Source:` that names a page of the project's contracts leads to a page and to a section that is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONTRACTS = ROOT / "docs/reference/contracts"
SOURCE = re.compile(r"Source:(?P<text>.*?)(?:\n\s*\n|\"\"\"|\Z)", re.DOTALL)
PAGE = re.compile(r"(?P<path>[\w./-]*contracts/[\w-]+\.md)(?P<sections>(?:(?:,| and)?\s*\"[^\"]+\")*)")


def sources() -> list[tuple[str, str, tuple[str, ...]]]:
    """Return (file, path of the page, sections) of every source that is a contract."""
    files = sorted((ROOT / "src").rglob("*.py")) + sorted((ROOT / "benchmarks").rglob("*.py"))
    return [
        (str(file.relative_to(ROOT)), page["path"], tuple(re.findall(r'"([^"]+)"', page["sections"])))
        for file in files
        for source in SOURCE.finditer(file.read_text())
        for page in PAGE.finditer(source["text"])
    ]


def sections(page: Path) -> set[str]:
    return {line.lstrip("#").strip() for line in page.read_text().splitlines() if line.startswith("#")}


def test_sources_are_found_at_all() -> None:
    assert len(sources()) > 40


@pytest.mark.parametrize(("file", "path", "wanted"), sources(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_source_resolves(file: str, path: str, wanted: tuple[str, ...]) -> None:
    assert path.startswith("docs/reference/contracts/"), f"{file}: say the whole path, docs/reference/contracts/…"
    assert (ROOT / path).is_file(), f"{file}: there is no {path}"
    missing = set(wanted) - sections(ROOT / path)
    assert not missing, f"{file}: {path} has no section {', '.join(sorted(missing))}; it has {', '.join(sorted(sections(ROOT / path)))}"


def test_every_contract_is_listed_on_the_page_of_contracts() -> None:
    listed = (CONTRACTS / "README.md").read_text()

    assert [page.name for page in sorted(CONTRACTS.glob("*.md")) if page.name != "README.md" and f"({page.name})" not in listed] == []
