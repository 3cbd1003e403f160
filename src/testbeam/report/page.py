"""One self-contained HTML page: a verdict, then sections of tables, charts and logs; it loads nothing from anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import quote

from testbeam.model.plain_text import uncoloured
from testbeam.report.origin import made_here


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One headed part of the page; `body` is HTML made by the functions here and in `charts`. `wide` takes the full width."""

    title: str
    body: str
    note: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole page: `facts` are the few (label, value) pairs that stand beside the verdict."""

    title: str
    ok: bool
    verdict: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    links: Sequence[tuple[str, str]] = ()  # label, address relative to the page
    made: str = field(default_factory=made_here)


def render(page: Page) -> str:
    """Return the page as HTML."""
    template = Template(files(__package__).joinpath("page.html").read_text("utf-8"))
    return template.substitute(
        title=escape(page.title),
        state="ok" if page.ok else "bad",
        verdict=escape(page.verdict),
        facts="".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in page.facts),
        sections="".join(_section(section) for section in page.sections),
        links=" · ".join(f'<a href="{escape(quote(where))}">{escape(name)}</a>' for name, where in page.links),
        made=escape(page.made),
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table; cells are text; a cell that is a number is set right."""
    cells = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{''.join(f'<th>{escape(h)}</th>' for h in head)}</tr></thead><tbody>{cells}</tbody></table>"


def log(text: str) -> str:
    """Return text as it was logged, but for colours, in a box that scrolls."""
    return f"<pre>{escape(uncoloured(text))}</pre>"


def folded(title: str, body: str) -> str:
    """Return HTML that opens on a click."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def states_legend(states: Sequence[str]) -> str:
    """Return the states of bars in the colours that `charts.spans` gives them."""
    keys = "".join(f"<span class='box {escape(state.lower())}'>{escape(state.lower())}</span>" for state in dict.fromkeys(states))
    return f'<p class="legend">{keys}</p>'


def legend(names: Sequence[str]) -> str:
    """Return the names of curves in the colours that `charts.lines` gives them."""
    keys = "".join(f"<span class='key s{k % 6}'>{escape(name)}</span>" for k, name in enumerate(names))
    return f'<p class="legend">{keys}</p>'


def _section(section: Section) -> str:
    note = f"<p class='note'>{escape(section.note)}</p>" if section.note else ""
    return f"<section class='{'wide' if section.wide else ''}'><h2>{escape(section.title)}</h2>{note}{section.body}</section>"


def _cell(text: str) -> str:
    number = text.replace(",", "").replace(".", "").replace("\u202f", "").removesuffix(" s").isdigit()
    return f"<td class='number'>{escape(text)}</td>" if number else f"<td>{escape(text)}</td>"
