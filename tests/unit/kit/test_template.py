import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import StackError
from testbeam.kit import template


def test_every_name_becomes_its_value() -> None:
    assert template.fill("${a}:${b.c}/${a}", {"a": "1", "b.c": "2"}, "x") == "1:2/1"


def test_two_dollars_are_one() -> None:
    assert template.fill("$${a} costs 5 $$", {}, "x") == "${a} costs 5 $"


@pytest.mark.parametrize("text", ["record(ai, $(P)$(R))", "$HOME", "a$", "{a}", "$(P=${", "100 % {x}"])
def test_what_is_no_name_in_braces_stays_as_epics_and_shells_write_it(text: str) -> None:
    assert template.fill(text, {}, "x") == text


def test_an_unknown_name_is_told_with_its_place_and_what_is_near() -> None:
    with pytest.raises(StackError, match=r"service 'ioc' command: \$\{adress\} is not known; did you mean address\?"):
        template.fill("${adress}", {"address": "127.0.0.1", "dir": "/"}, "service 'ioc' command")


def test_check_finds_what_fill_would() -> None:
    template.check("${a} $${b}", ["a"], "x")
    with pytest.raises(StackError):
        template.check("${a} ${b}", ["a"], "x")


@given(st.text())
def test_a_value_is_never_filled_in_again(value: str) -> None:
    assert template.fill("${a}", {"a": value}, "x") == value


@given(st.text(alphabet="ab{}$(). "))
def test_doubling_the_dollars_keeps_any_text(text: str) -> None:
    assert template.fill(text.replace("$", "$$"), {}, "x") == text
