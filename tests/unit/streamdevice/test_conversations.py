import pytest

from testbeam.wire.streamdevice.conversation import Mode, Result
from tests.unit.streamdevice.records import HeldRecord, talk

TEXT = """
Terminator = LF;
@mismatch { out "global"; }
plain { out "?"; in "%d"; }
own { out "?"; in "%d"; @mismatch { out "own"; } }
compare { out "?"; in "ack %=d"; }
again { out "?"; in "%d"; @mismatch { in "ERR %(DESC)s"; out "clear"; } }
"""
TIMEOUTS = """
t { out "?"; in "%d"; @replytimeout { out "no reply"; } @readtimeout { out "cut"; } @writetimeout { out "unwritten"; } }
handler_fails { out "?"; in "%d"; @mismatch { out "x"; in "%d"; out "never"; } }
starts { out "v"; @init { out "i"; in "%d"; } @mismatch { out "never"; } }
"""


@pytest.mark.parametrize(
    ("name", "reply", "written"),
    [("plain", b"x", b"global\n"), ("own", b"x", b"own\n"), ("compare", b"ack 6", b"global\n"), ("plain", b"5 6", b"global\n")],
)
def test_a_mismatch_runs_the_handler_of_the_protocol_or_the_global_one(name: str, reply: bytes, written: bytes) -> None:
    record = HeldRecord(5)
    assert talk(TEXT, name, record, reply) == (Result.MISMATCH, [b"?\n", written])
    assert record.messages


def test_a_handler_that_begins_with_in_looks_again_and_nothing_is_said() -> None:
    record = HeldRecord(5)
    assert talk(TEXT, "again", record, b"ERR hot") == (Result.MISMATCH, [b"?\n", b"clear\n"])
    assert (record.fields, record.messages) == ({"DESC": b"hot"}, [])
    assert talk(TEXT, "again", record, b"else") == (Result.MISMATCH, [b"?\n"])


@pytest.mark.parametrize(
    ("answer", "written"),
    [(Result.REPLY_TIMEOUT, b"no reply"), (Result.READ_TIMEOUT, b"cut")],
)
def test_time_outs_have_handlers_of_their_own(answer: Result, written: bytes) -> None:
    assert talk(TIMEOUTS, "t", HeldRecord(0), answer) == (answer, [b"?", written])


def test_an_error_in_a_handler_ends_everything_and_the_first_error_is_kept() -> None:
    assert talk(TIMEOUTS, "handler_fails", HeldRecord(0), b"x", b"y") == (Result.MISMATCH, [b"?", b"x"])


def test_init_runs_its_own_commands_and_no_other_handler() -> None:
    record = HeldRecord(0)
    assert talk(TIMEOUTS, "starts", record, b"7", mode=Mode.INIT) == (Result.SUCCESS, [b"i"])
    assert record.value == 7
    assert talk(TIMEOUTS, "starts", record, b"x", mode=Mode.INIT) == (Result.MISMATCH, [b"i"])


def test_interrupt_mode_passes_over_what_does_not_match_in_silence() -> None:
    record = HeldRecord(0)
    assert talk('Terminator = LF; p { in "T=%d"; }', "p", record, b"other", b"T=x", b"T=9", mode=Mode.INTERRUPT) == (Result.SUCCESS, [])
    assert (record.value, record.messages) == (9, [])


def test_a_value_that_can_not_be_written_is_a_format_error() -> None:
    record = HeldRecord(17)
    assert talk('p { out "%{a|b}"; }', "p", record) == (Result.FORMAT_ERROR, [])
    assert record.messages == ['Cannot format value with "%{a|b}": 17 is none of a=0, b=1']


def test_three_substitutions_and_six_converters_parse_a_thousand_inputs() -> None:
    text = r'p { in "%#/a/A/%#/;+/,/%#/ +/ /%d,%(B)d,%(C)d,%(D)d,%(E)d,%(F)dA"; }'
    for number in range(1000):
        record = HeldRecord(0)
        values = [number + step for step in range(6)]
        data = (";" * (1 + number % 3)).join(str(value) for value in values).encode() + b"a"
        assert talk(text, "p", record, data)[0] is Result.SUCCESS, record.messages
        assert [record.value, *record.fields.values()] == values
