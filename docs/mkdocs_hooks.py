"""Hooks of mkdocs: the order of pages, and those that are made when the site is built, so that they can't fall behind the code."""

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

import generated  # noqa: E402  the neighbour of this file, which mkdocs loads by its path

FOLDERS = {
    "Tutorials": "tutorials",
    "How-to": "how-to",
    "Reference": "reference",
    "Contracts": "reference/contracts",
    "Explanation": "explanation",
    "Decisions": "decisions",
}
OUTSIDE = {"index.md": ROOT / "README.md", "contributing.md": ROOT / "CONTRIBUTING.md", "changelog.md": ROOT / "CHANGELOG.md"}

WHICH_PAGE = "which-page.md"  # docs/README.md, which would take the place of the start


def on_config(config: Any) -> Any:
    """Return the configuration with the order of pages."""
    sections: list[Any] = [{title: _pages_of(folder)} for title, folder in FOLDERS.items()]
    ends = [{"Contributing": "contributing.md"}, {"Changelog": "changelog.md"}]
    config.nav = [{"Start": "index.md"}, {"Which page": WHICH_PAGE}, *sections, {"Glossary": "glossary.md"}, *ends]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Return the files with those that lie outside of docs/, and those that are made from the code."""
    for name, source in OUTSIDE.items():
        files.append(File.generated(config, name, content=_from_docs(source.read_text(encoding="utf-8"))))
    files.remove(files.src_uris["README.md"])
    files.append(File.generated(config, WHICH_PAGE, content=(DOCS / "README.md").read_text(encoding="utf-8")))
    for name, page in generated.PAGES.items():
        files.append(File.generated(config, name, content=page()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page whose links to files outside of docs/ lead to their copies on the site, those to folders to their page.

    Sources are not on the site: they are named only.
    """
    up = "../" * page.file.src_uri.count("/")
    for name, source in OUTSIDE.items():
        markdown = markdown.replace(f"](../{up}{source.name}", f"]({up}{name}")
    markdown = re.sub(r"\[([^\]]+)\]\((?:\.\./)+(?:examples|src|tests)/([^)]+)\)", r"`\2`", markdown)  # not on the site
    return re.sub(r"\]\(((?!https?:)[\w./-]+/)\)", r"](\1README.md)", markdown)


def _pages_of(folder: str) -> list[str]:
    written = [str(file.relative_to(DOCS)) for file in (DOCS / folder).glob("*.md")]
    return sorted({*written, *(name for name in generated.PAGES if str(Path(name).parent) == folder)})


def _from_docs(text: str) -> str:
    """Return a page of the root folder with its links as they are from docs/."""
    text = text.replace("](docs/README.md", f"](docs/{WHICH_PAGE}")
    for name, source in OUTSIDE.items():
        text = text.replace(f"]({source.name}", f"]({name}")
    return text.replace("](docs/", "](")
