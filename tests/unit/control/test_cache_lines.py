"""Lines of the cache protocol: all the forms that clients send, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import WireError
from testbeam.wire.nicos.cache_lines import CacheLine, parse_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("nicos/t/value=5.0", CacheLine(key="nicos/t/value", operator="=", value="5.0")),
        ("NICOS/T/Value=X", CacheLine(key="nicos/t/value", operator="=", value="X")),
        ("12.5@k=1", CacheLine(key="k", operator="=", value="1", time_s=12.5, marked=True)),
        ("12.5+3@k=1", CacheLine(key="k", operator="=", value="1", time_s=12.5, ttl_s=3.0, marked=True)),
        ("10-15@k=1", CacheLine(key="k", operator="=", value="1", time_s=10.0, ttl_s=5.0, marked=True)),
        ("+1e2@k=1", CacheLine(key="k", operator="=", value="1", ttl_s=100.0, marked=True)),
        ("@k?", CacheLine(key="k", operator="?", marked=True)),
        ("k#=1", CacheLine(key="k", operator="=", value="1", no_store=True)),
        ("###?", CacheLine(key="###", operator="?")),
        ("#sync#?", CacheLine(key="#sync#", operator="?")),
        ("k=a=b?c", CacheLine(key="k", operator="=", value="a=b?c")),
        ("k$+me", CacheLine(key="k", operator="$", value="+me")),
        ("k=1\r", CacheLine(key="k", operator="=", value="1")),
    ],
)
def test_a_line_is_read(text: str, line: CacheLine) -> None:
    assert parse_line(text) == line


@pytest.mark.parametrize("text", ["", " ", "no operator"])
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        parse_line(text)


keys = st.text("abcdefghij/_0123456789", min_size=1, max_size=20)


@given(keys, st.floats(0, 4e9), st.none() | st.floats(0, 1e6), st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=20))
def test_a_line_that_is_written_is_read_again(key: str, time_s: float, ttl_s: float | None, value: str) -> None:
    line = parse_line(CacheLine(key=key, operator="=", value=value, time_s=time_s, ttl_s=ttl_s).encode().rstrip("\n"))

    assert (line.key, line.value) == (key, value)
    assert line.time_s == pytest.approx(time_s, abs=1e-5)
    assert (line.ttl_s is None) == (ttl_s is None)


@given(st.text(max_size=80))
def test_any_text_is_a_line_or_refused(text: str) -> None:
    try:
        parse_line(text)
    except WireError:
        return
