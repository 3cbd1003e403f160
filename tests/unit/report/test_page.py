from datetime import UTC, datetime
from html import escape
from html.parser import HTMLParser

from testbeam import __version__
from testbeam.kafka_distribution.jars import KAFKA_VERSION
from testbeam.report.origin import made
from testbeam.report.page import Page, Section, folded, log, render, states_legend, table


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {value}" for name, value in attrs if name in ("src", "href") and not str(value).startswith("data:")]

    def handle_data(self, data: str) -> None:
        self.text += data


def page(*, ok: bool = True) -> Page:
    sections = [Section(title="Services", body=table(["name", "ready"], [["broker", "0.61 s"]]) + folded("log", log("a < b")))]
    return Page(title="Smoke", ok=ok, verdict="audit clean", facts=[("events", "1,000")], sections=sections)


def test_the_page_says_verdict_facts_and_sections_and_loads_nothing() -> None:
    seen = Seen()
    seen.feed(render(page()))

    assert all(words in seen.text for words in ("audit clean", "1,000", "Services", "broker", "a < b"))
    assert seen.loads == []


def test_a_bad_run_is_marked() -> None:
    assert 'class="bad"' in render(page(ok=False))


def test_numbers_stand_right_and_words_left() -> None:
    cells = table(["n", "what"], [["1,234", "events"]])

    assert "<td class='number'>1,234</td><td>events</td>" in cells


def test_a_page_says_when_where_and_by_which_versions_it_was_made() -> None:
    told = made(datetime(2026, 11, 27, 8, 57, 1, tzinfo=UTC), "beamline-7")

    assert told.startswith(f"2026-11-27 08:57:01 UTC on beamline-7 · testbeam {__version__} with Python 3.")
    assert f"Apache Kafka {KAFKA_VERSION}" in told
    shown = render(Page(title="t", ok=True, verdict="v", facts=(), sections=[Section(title="first", body="")], made=told))
    assert 0 < shown.index(escape(told)) < shown.index("first")  # in the head


def test_a_log_is_shown_without_its_colours() -> None:
    assert log("\x1b[31;1mERROR\x1b[0m: a\x1b]0;title\x07b") == "<pre>ERROR: ab</pre>"


def test_a_page_leads_to_the_files_beside_it() -> None:
    shown = render(Page(title="t", ok=True, verdict="v", facts=(), sections=(), links=[("log of <x>", "log/ü x.log")]))

    assert '<a href="log/%C3%BC%20x.log">log of &lt;x&gt;</a>' in shown


def test_the_colours_of_bars_are_explained_once_each() -> None:
    assert states_legend(["STARTING", "READY", "STARTING"]).count("<span") == 2
