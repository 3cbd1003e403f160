import time
from collections.abc import Iterator
from typing import Any

import pytest

from testbeam.wire.streamdevice.conversation import Result
from tests.unit.streamdevice.records import HeldRecord, talk


@pytest.fixture(autouse=True)
def in_central_europe(monkeypatch: Any) -> Iterator[Any]:
    monkeypatch.setenv("TZ", "Europe/Zurich")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def out(text: Any, value: Any) -> Any:
    return talk(f'p {{ out "{text}"; }}', "p", HeldRecord(value))[1][0]


def read(text: Any, data: Any) -> Any:
    record = HeldRecord(0.0)
    result, _ = talk(f'p {{ in "{text}"; }}', "p", record, data)
    assert result is Result.SUCCESS, record.messages
    return record.value


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("%T", 1044068706, b"2003-02-01 04:05:06"),
        ("%T(%d.%m.%Y %H:%M:%.2S %z)", 1044068706.789, b"01.02.2003 04:05:06.79 +0100"),
        ("%T(%d.%m.%Y %H:%M:%.2S %z)", 1057025106.789, b"01.07.2003 04:05:06.79 +0200"),
        ("%T(%3f|%03f|%S)", 1044068706.5, b"500|500|06"),
        ("%T(%.S)", 1044068706.25, b"06.250000"),
    ],
)
def test_output(text: Any, value: Any, expected: Any) -> None:
    assert out(text, value) == expected


@pytest.mark.parametrize(
    ("text", "data", "expected"),
    [
        ("%T", b"2003-02-01 04:05:06", 1044068706),
        ("%T(%Ed. %B %Y %H:%M:%.S)", b"1. February 2003 04:05:06.789", 1044068706.789),
        ("%T(%d %b %Y)", b"3 oct 2010", 1286056800),
        ("%T(%d.%m.%Y %T %z)", b"1.2.2010 12:56:32 +0000", 1265028992),
        ("%T(%d.%m.%Y %T %+0000)", b"1.7.2010 12:56:32", 1277988992),
        ("%T(%s)", b"1277988992", 1277988992),
        ("%T(%d.%m.%Y %I %p)", b"1.7.2010 12 a", 1277935200),
        ("%T(%d.%m.%Y %p %I)", b"1.7.2010 PM 1", 1277982000),
        ("%T(%d.%m.%y)", b"1.7.70", 15634800),
    ],
)
def test_input(text: Any, data: Any, expected: Any) -> None:
    assert read(text, data) == pytest.approx(expected, abs=1e-6)
