"""Links and paths that the documentation names lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = (*sorted(ROOT.glob("*.md")), ROOT / "examples/README.md", *sorted((ROOT / "docs").rglob("*.md")))
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[\w-]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_way_from_a_pv_to_a_dataset_names_files_that_are_there() -> None:
    text = (ROOT / "docs/explanation/pv-to-dataset.md").read_text()

    files = re.findall(r"`((?:[\w]+/)+\w+\.(?:py|c))`", text)
    assert len(files) >= 25
    assert [name for name in sorted(files) if not (ROOT / "src/testbeam" / name).exists()] == []


def test_every_room_is_in_the_decision_that_draws_them() -> None:
    text = (ROOT / "docs/decisions/0001-rooms-and-one-way-imports.md").read_text()

    rooms = {path.parent.name for path in (ROOT / "src/testbeam").glob("*/__init__.py")}
    assert {room for room in rooms if f"`{room}`" not in text} == set()


def test_decisions_are_numbered_in_a_row() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/decisions").glob("[0-9]*.md"))

    assert numbers == list(range(1, len(numbers) + 1))


def test_every_page_can_be_found_from_the_page_of_pages() -> None:
    text = (ROOT / "docs/README.md").read_text() + (ROOT / "README.md").read_text()
    folders = ("tutorials", "how-to", "reference", "explanation")
    pages = [page.relative_to(ROOT / "docs") for folder in folders for page in (ROOT / "docs" / folder).glob("*.md")]

    assert len(pages) > 40
    assert [str(page) for page in pages if f"({page})" not in text and f"(docs/{page})" not in text] == []
