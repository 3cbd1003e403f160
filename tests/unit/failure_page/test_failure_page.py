from testbeam.kit.journal import Event
from testbeam.report.failure.gather import Facts, ServiceFacts
from testbeam.report.failure.page import page, timeline

ECHO = ServiceFacts(
    name="echo",
    state="crashed",
    pid=None,
    exit_code=7,
    endpoints=(),
    command="sh",
    log="",
    log_path="/l",
    stdout="",
    stacks="",
    settings="",
    evidence=(),
)


def event(at_s: float, kind: str, **data: object) -> Event:
    return Event(at_ns=round(at_s * 1e9), kind=kind, service="echo" if kind != "mark" else "", data=data)


def facts(error: str, *events: Event) -> Facts:
    begin, end = event(0.0, "mark", label="begin"), event(3.0, "mark", label="end")
    return Facts(test="test_a.py::test_b", error=error, begin=begin, end=end, events=(begin, *events, end), services=(ECHO,))


def test_a_headline_that_is_too_long_says_how_much_of_it_is_left_out() -> None:
    shown = page(facts(f"E   {'x' * 310}"))

    assert f"{'x' * 300}… (+10 characters)</p>" in shown


def test_what_happened_says_of_an_error_its_first_line_as_the_whole_stands_above() -> None:
    shown = page(facts("E   boom", event(1.0, "crashed", how="exited with code 7", error="service 'echo' exited\n  command  sh")))

    assert "how exited with code 7, error service &#x27;echo&#x27; exited<" in shown
    assert "command  sh" not in shown


def test_the_colours_of_the_timeline_are_explained() -> None:
    shown = timeline(facts("E   boom", event(0.5, "starting"), event(1.0, "ready"), event(2.0, "crashed")))

    for state in ("starting", "ready", "crashed"):
        assert f"<span class='box {state}'>{state}</span>" in shown
