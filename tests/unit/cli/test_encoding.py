import io
from typing import Literal

import pytest

from testbeam.console.encoding import use_substitutes


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_the_three_marks_of_doctor_stay_apart(encoding: str) -> None:
    shown = {_written(mark, encoding) for mark in "✓–✗"}

    assert len(shown) == 3
    assert b"?" not in shown


@pytest.mark.parametrize(
    ("text", "encoding", "written"),
    [("0…7 µs", "ascii", rb"0...7 \xb5s"), ("Prüfstand", "latin-1", "Prüfstand".encode("latin-1")), ("束", "ascii", rb"\u675f")],
)
def test_letters_are_kept_or_escaped(text: str, encoding: Literal["ascii", "latin-1"], written: bytes) -> None:
    assert _written(text, encoding) == written


def _written(text: str, encoding: str) -> bytes:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    use_substitutes(stream)
    stream.write(text)
    stream.flush()
    return raw.getvalue()
