from html.parser import HTMLParser

from testbeam.report.page import Page, Section, folded, log, render, table


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
