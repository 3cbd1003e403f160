import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam import errors
from testbeam.errors import NotReady, SettingsError, StackError, TestbeamError, WireError
from testbeam.hosting.run_control import (
    MAX_LINE,
    WORDS,
    Answer,
    Lines,
    Request,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
    error_of,
    refusal,
)

EXAMPLES = {str: "broker", int: 1, float: 0.5, dict: {"a": [1, None, "x"]}, list: ["a", 1]}


@pytest.mark.parametrize("word", WORDS)
def test_every_word_comes_back_as_it_was_sent(word: str) -> None:
    request = Request(word=word, data={name: EXAMPLES[kind] for name, kind in WORDS[word].items()})

    line = encode_request(request)

    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode_request(line) == request


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_every_value_comes_back_as_it_was_sent(value: object) -> None:
    assert decode_answer(encode_answer(Answer(value=value))) == Answer(value=value)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[1]", "list instead of an object"),
        (b"[" * 100_000, "JSON"),
        (b'{"word": "launch"}', "no such word: 'launch'"),
        (b'{"word": ["look"]}', "no such word"),
        (b'{"word": "look"}', "look: service is missing; give str"),
        (b'{"word": "look", "service": 1}', "look: service is 1; give str"),
        (b'{"word": "expect_exit", "service": "a", "change": true}', "change is True; give int"),
        (b'{"word": "end", "now": 1}', "end: no such field: now"),
        (b'"' + b"x" * MAX_LINE + b'"', "more than"),
    ],
)
def test_what_is_no_request_is_refused_with_what_is_wrong(line: bytes, problem: str) -> None:
    with pytest.raises(WireError, match="run_control") as raised:
        decode_request(line)
    assert problem in str(raised.value)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_a_wire_error(line: bytes) -> None:
    for decode in (decode_request, decode_answer):
        try:
            decode(line)
        except WireError:
            continue


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line), max_size=8), st.integers(1, 7))
def test_lines_are_the_same_however_the_stream_is_cut(lines: list[bytes], size: int) -> None:
    stream = b"".join(line + b"\n" for line in lines) + b"rest"
    cut = Lines()

    found = [line for at in range(0, len(stream), size) for line in cut.feed(stream[at : at + size])]

    assert found == lines


def test_a_line_without_an_end_is_given_up_before_it_fills_the_memory() -> None:
    lines = Lines()
    assert lines.feed(b"x" * MAX_LINE) == []

    with pytest.raises(WireError, match="more than"):
        lines.feed(b"x")


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TestbeamError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_arrives_as_its_own_kind_with_its_message(kind: type[TestbeamError]) -> None:
    error = error_of(kind.__name__, "what happened")

    assert type(error) is kind
    assert str(error) == "what happened"
    assert error.args == ("what happened",)


def test_an_error_travels_from_one_end_to_the_other() -> None:
    sent = decode_answer(encode_answer(refusal(NotReady("ioc was not ready"))))

    assert error_of(sent.error, sent.message).args == ("ioc was not ready",)
    assert isinstance(error_of(sent.error, sent.message), NotReady)


def test_an_error_that_is_not_of_our_tree_is_named_in_the_message() -> None:
    answer = refusal(KeyError("x"))

    assert (answer.error, answer.message) == ("StackError", "KeyError: 'x'")
    assert isinstance(error_of("Exit", "x"), StackError)  # a name that is no error of ours
    assert not isinstance(error_of("json", "x"), SettingsError)


def test_what_json_does_not_know_is_sent_as_text() -> None:
    assert json.loads(encode_answer(Answer(value=errors)))["value"].startswith("<module")
