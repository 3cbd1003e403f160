import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import ConversionError, ProtocolError
from testbeam.wire.streamdevice import compile_protocol, parse_file, parse_link
from testbeam.wire.streamdevice.conversation import Result
from testbeam.wire.streamdevice.program import In, Out, Wait
from tests.unit.streamdevice.records import HeldRecord, talk


def program(text: str, name: str = "p", arguments: tuple[str, ...] = ()) -> Any:
    return compile_protocol(parse_file("f.proto", text.encode("latin-1")), name, arguments, field=lambda field: field)


MANUAL = """
# This is an example protocol file
Terminator = CR LF;
f = "FREQ";     # with its quotes
f1 = $f " %f";
getFrequency { out $f "?"; in $f1; }
setFrequency { out $f1; @init { getFrequency; } }
getSwitch { out "SW?"; in "SW %{OFF|ON}"; }
SETSWITCH { OUT "SW %{OFF|ON}"; @Init { GETswitch } }
debug { ExtraInput = Ignore; out "%s"; in "%39c" }
move { out "\\$1 GOTO %d"; }
read { out 0x8$1 "READ \\$2"; in "%f,%(\\$3recY\\$1)f" }
"""


def test_the_manual_s_examples() -> None:
    assert talk(MANUAL, "setfrequency", HeldRecord(1.5)) == (Result.SUCCESS, [b"FREQ 1.500000\r\n"])
    assert talk(MANUAL, "setSwitch", HeldRecord(1)) == (Result.SUCCESS, [b"SW ON\r\n"])
    assert talk(MANUAL, "move", HeldRecord(5), arguments=("X",)) == (Result.SUCCESS, [b"X GOTO 5\r\n"])
    record = HeldRecord(0.0)
    result, written = talk(MANUAL, "read", record, b"1.5,2.5", arguments=("5", "X,Y", "DZ:"))
    assert (result, written, record.value, record.fields) == (Result.SUCCESS, [b"\x85READ X,Y\r\n"], 1.5, {"DZ:recY5": 2.5})


def test_a_reference_brings_the_commands_alone() -> None:
    made = program('a { Terminator = LF; @mismatch { out "x"; } out "A"; } p { a; in "OK"; }')
    assert [type(command) for command in made.commands] == [Out, In]
    assert made.settings.out_terminator is None
    assert not made.handlers


def test_what_stands_above_counts_and_what_stands_below_does_not() -> None:
    made = program('ReplyTimeout = 5; p { out "a"; } ReplyTimeout = 6; @mismatch { out "x"; }')
    assert made.settings.reply_timeout_ms == 5
    assert not made.handlers


def test_defaults_and_settings() -> None:
    settings = program('p { out "a"; }').settings
    assert (settings.lock_timeout_ms, settings.write_timeout_ms, settings.reply_timeout_ms) == (5000, 100, 1000)
    assert (settings.read_timeout_ms, settings.poll_period_ms, settings.max_input) == (100, 1000, 0)
    assert (settings.in_terminator, settings.out_terminator, settings.ignore_extra_input) == (None, None, False)
    settings = program('ReplyTimeout=7; InTerminator=""; OutTerminator="\\x03" LF; MaxInput=3; ExtraInput=Ignore; p { wait 5; }').settings
    assert (settings.reply_timeout_ms, settings.poll_period_ms, settings.in_terminator, settings.out_terminator) == (7, 7, b"", b"\x03\n")
    assert (settings.max_input, settings.ignore_extra_input) == (3, True)
    assert program("p { wait 5; }").commands == (Wait(5),)


def test_a_quoted_variable_brings_its_quotes_with_it() -> None:
    assert talk('a = "01"; b = 5; p { out "<\\${a}\\$b>"; }', "p", HeldRecord(0))[1] == [b'<"01"5>']


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ('p {\n out "a;\n}', 2, "no closing"),
        ('p {\n out "a"', 2, "';'"),
        ('p {\n out "a";', 1, "no closing '}'"),
        ("}", 1, "name of a protocol"),
        ("p {\n foo 5;\n}", 2, "no command 'foo'"),
        ('p { out "a"; }\np { out "b"; }', 2, "already defined in line 1"),
        ("p { @mismatch { a = 5; } }", 1, "within a handler"),
        ("p { @mismatch { @init { wait 1; } } }", 1, "can't be defined here"),
        ("p { @mismach { wait 1; } }", 1, "no handler @mismach"),
        ("p { out $a; }", 1, "'a' is not defined"),
        ('p { out "\\$1"; }', 1, "no value for $1"),
        ("p { wait x; }", 1, "whole number"),
        ("p { wait -5; }", 1, "whole number"),
        ("p { out 300; }", 1, "fit in a byte"),
        ('p { out "\\xzz"; }', 1, "hexadecimal digit"),
        ('p { out "\\999"; }', 1, "fit in a byte"),
        ("p { out foo; }", 1, "'foo' is no byte"),
        ("p { ExtraInput = Maybe; wait 1; }", 1, "Error or Ignore"),
        ("p { ReplyTimeout = soon; wait 1; }", 1, "whole number"),
        ("p { event(5) 10; }", 1, "events"),
        ("q { wait 1; }", 1, "no protocol 'p'"),
        ('p { out "a" in "b"; }', 1, "'in' is no byte"),
        ('out "a";', 1, "commands stand within"),
        ('a = "b\n', 1, "no closing"),
    ],
)
def test_errors_name_line_and_place(text: Any, line: Any, part: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        program(text)
    assert part in str(caught.value)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "protocol", "arguments", "port", "address"),
    [
        ("f.proto p PS1", "p", (), "PS1", -1),
        ("f.proto p() PS1 3", "p", ("",), "PS1", 3),
        ("f.proto read(5, X\\,Y DZ:) port", "read", ("5", "X,Y DZ:"), "port", -1),
        ("f.proto p((1,2), a b ,c\\\\,d) port", "p", ("(1,2)", "a b", "c\\\\", "d"), "port", -1),
        ("f.proto p (ARG(10,20), 30) device 0x10 rest", "p", ("ARG(10,20)", "30"), "device", 16),
        (" f.proto  p   port ", "p", (), "port", -1),
    ],
)
def test_links(text: Any, protocol: Any, arguments: Any, port: Any, address: Any) -> None:
    link = parse_link(text)
    assert (link.file, link.protocol, link.arguments, link.port, link.address) == ("f.proto", protocol, arguments, port, address)


@pytest.mark.parametrize(
    ("text", "part"), [("", "empty"), ("f.proto", "protocol is missing"), ("f.proto p", "port is missing"), ("f p(a port", "')'")]
)
def test_links_that_lack_something(text: Any, part: Any) -> None:
    with pytest.raises(ConversionError, match=part.replace("'", ".").replace(")", "\\)")):
        parse_link(text)


@given(st.text(alphabet=st.sampled_from("p{}()=;,\"'\\$%@# \nin out19xab*.<>/[]|"), max_size=60))
def test_no_file_does_harm(text: str) -> None:
    with contextlib.suppress(ProtocolError):
        file = parse_file("f", text.encode("latin-1"))
        for name in file.protocols:
            compile_protocol(file, name, ("1", "2"))


@given(st.binary(max_size=80))
def test_no_bytes_do_harm(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        assert parse_file("f", data).source.file == "f"


@given(st.text(max_size=50))
def test_no_link_does_harm(text: str) -> None:
    with contextlib.suppress(ConversionError):
        assert parse_link(text).file
