"""Every example of the manual's converter pages, and what has gone wrong elsewhere."""

import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from testbeam.errors import ProtocolError
from testbeam.wire.streamdevice.conversation import Result
from tests.unit.streamdevice.records import HeldRecord, talk


def out(text: str, value: Any, **fields: Any) -> bytes:
    record = HeldRecord(value, fields)
    result, written = talk(f"p {{ out {text}; }}", "p", record)
    assert result is Result.SUCCESS, record.messages
    return written[0]


def read(text: str, data: bytes, value: Any = None, settings: str = "", **fields: Any) -> Any:
    record = HeldRecord(value, fields)
    result, _ = talk(f"p {{ {settings} in {text}; }}", "p", record, data)
    return (result, record.value) if result is Result.SUCCESS else (result, record.messages[-1])


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ('"%f"', 3.14159265359, b"3.141593"),
        ('"%#010x"', 255, b"0x000000ff"),
        ('"%x"', -1, b"ffffffffffffffff"),
        ('"%2x"', 0x12345, b"45"),
        ('"%4X"', 0xABCDEF, b"CDEF"),
        ('"%#o"', 8, b"010"),
        ('"%o"', 8, b"10"),
        ('"%+d|"', 5, b"+5|"),
        ('"% d"', 5, b" 5"),
        ('"%05d"', -5, b"-0005"),
        ('"%-5d|"', 5, b"5    |"),
        ('"%.3d"', 5, b"005"),
        ('"%u"', -1, b"18446744073709551615"),
        ('"%#g"', 1.0, b"1.00000"),
        ('"%#.0f"', 3.0, b"3."),
        ('"%E"', 12345.678, b"1.234568E+04"),
        ('"%010f"', math.inf, b"       inf"),
        ('"%s"', b"abc", b"abc"),
        ('"%.2s|"', b"abc", b"ab|"),
        ('"%5s"', b"abc", b"  abc"),
        ('"%05s"', b"abc", b"\0\0abc"),
        ('"%-05s"', b"abc", b"abc\0\0"),
        ('"%c%%"', 65, b"A%"),
        (r'"100\%"', 0, b"100%"),
        ('"%{OFF|STANDBY|ON}"', 1, b"STANDBY"),
        ('"%#{neg=-1|stop|pos|fast=10|rewind=-10}"', -1, b"neg"),
        ('"%#{neg=-1|stop|pos|fast=10|rewind=-10}"', 0, b"stop"),
        ('"%#{neg=-1|stop|pos|fast=10|rewind=-10}"', 10, b"fast"),
        ('"%#{neg=-1|stop|pos|fast=10|rewind=-10}"', -10, b"rewind"),
        ('"%#{a|b|other=?}"', 17, b"other"),
        (r'"%{a\|b|c\}d}"', 0, b"a|b"),
        (r'"%{a\|b|c\}d}"', 1, b"c}d"),
        (r'"%#{a\=b}"', 0, b"a=b"),
        ('"%b"', 5, b"101"),
        ('"%b"', 0, b"0"),
        ('"%08b"', 5, b"00000101"),
        ('"%8b"', 5, b"     101"),
        ('"%.8b"', 5, b"00000101"),
        ('"%#.4b"', 1, b"1000"),
        ('"%B.!"', 5, b"!.!"),
        (r'"%B\x00\xff"', 2, b"\xff\x00"),
        ('"%.2r"', 0x1234, b"\x12\x34"),
        ('"%2r"', 0x1234, b"\x00\x34"),
        ('"%#.2r"', 0x1234, b"\x34\x12"),
        ('"%R"', 1.0, b"?\x80\x00\x00"),
        ('"%#8R"', 1.0, b"\x00\x00\x00\x00\x00\x00\xf0?"),
        ('"%.4D"', 1234, b"\x12\x34"),
        ('"%#.4D"', 1234, b"\x34\x12"),
        ('"%+.4D"', -1234, b"\xf0\x12\x34"),
        ('"%3.2D"', 12, b"\x00\x00\x12"),
        ('"abcabcabcabc%#+-10.2/ab/X/"', 0, b"abcXcXcabc"),
        (r'"\\dir\\file%#/\\/\//"', 0, b"/dir/file"),
        (r'"0b19353134%#/..\B/&:/"', 0, b"0b:19:35:31:34"),
        ('"0b:19:35:31:34%#/://"', 0, b"0b19353134"),
        (r'"1.23-%#/([^+-]*)([+-])/\2\1/"', 0, b"-1.23"),
        (r'"abcd%#-2/.*/\U0/"', 0, b"abCD"),
        (r'"abcd%#/b(c)/<\u1\&\1>/"', 0, b"a<C&c>d"),
        ('"abc%#/x*/y/"', 0, b"yaybyc"),
        ('"%m"', 12345, b"123450-01"),
        ('"%.3m"', 0.0123, b"123-04"),
        ('"Hello world\\r\\n"', 0, b"Hello world\r\n"),
        ("'Hello',0x20,\"world\",CR,LF", 0, b"Hello world\r\n"),
        ("72 101 108 108 111 32 119 111 114 108 100 13 10", 0, b"Hello world\r\n"),
        ("-1 0xff -0x80 010", 0, b"\xff\xff\x80\x08"),
        (r'"\a\b\t\n\r\e\x41\0101\65\_|\?|"', 0, b"\x07\x08\t\n\r\x1bAAA ||"),
        ('"123456789%<sum>"', 0, b"123456789\xdd"),
        ('"abcdefg%2.1<xor>"', 0, b"abcdefg" + bytes([ord("c") ^ ord("d") ^ ord("e") ^ ord("f")])),
    ],
)
def test_output(text: Any, value: Any, expected: Any) -> None:
    assert out(text, value) == expected


def test_fields_are_written_by_their_formats() -> None:
    assert out('"%(HOPR)7.4f"', 0, HOPR=3.14159) == b" 3.1416"
    assert out('"%(EGU)s"', 0, EGU=b"mm") == b"mm"


@pytest.mark.parametrize(
    ("text", "data", "expected"),
    [
        ('"%f"', b"  3.5", 3.5),
        ('"%f"', b"-1.5e3", -1500.0),
        ('"%f"', b"0x1p4", 16.0),
        ('"%#f"', b"-  2", -2.0),
        ('"%4f%*s"', b"3.14159", 3.14),
        ('"%*f%f"', b"1 2", 2.0),
        ('"%*i%d"', b"0x10 7", 7),
        ('"%?d"', b"", 0),
        ('"%?f"', b"", 0.0),
        ('"%?s"', b"", b""),
        ('"%!5d"', b"12345", 12345),
        ('"%d%%"', b"50%", 50),
        ('"%d"', b"0" * 5000 + b"7", 7),
        ('"%-x"', b"0x" + b"0" * 5000 + b"f", 15),
        ('"%m"', b"-" + b"9" * 5000 + b" 1", -math.inf),
        ('"%i"', b"0x1F", 31),
        ('"%i"', b"017", 15),
        ('"%x"', b"0xfF", 255),
        ('"%X"', b"ff", 255),
        ('"%-x"', b"-f", -15),
        ('"%o"', b"17", 15),
        ('"%[_a-zA-Z0-9]"', b"ab_9", b"ab_9"),
        ('"%[^,],"', b"a b,", b"a b"),
        (r'"%[\]x]"', b"x]x", b"x]x"),
        ('"%3c"', b"abc", b"abc"),
        ('"%c"', b"a", b"a"),
        ('"% s"', b"  a", b"  a"),
        ('"%#s"', b"  a b", b"a b"),
        ('"%{OFF|STANDBY|ON}"', b"ON", 2),
        ('"%#{neg=-1|stop|pos|fast=10|rewind=-10}"', b"rewind", -10),
        (r'"%{a\?c|x}"', b"abc", 0),
        ('"%b"', b"  101", 5),
        ('"%#b"', b"100", 1),
        ('"%B.!"', b"!.!", 5),
        ('"%02r"', b"\xff\xfe", 0xFFFE),
        ('"%2r"', b"\xff\xfe", -2),
        ('"%#2r"', b"\x01\x02", 0x0201),
        ('"%D"', b"\x12", 12),
        ('"%2D"', b"\x12\x34", 1234),
        ('"%+2D"', b"\xf1\x23", -123),
        (r'"%.1/<title>(.*)<\/title>/%*#s"', b"<html><title>Page</title></html>", b"Page"),
        ('"%/[0-9]+/"', b"abc123", b"123"),
        ('"%#/://%s"', b"0b:19:35", b"0b1935"),
        (r'"%#/([^+-]*)([+-])/\2\1/%f"', b"1.23-", -1.23),
        ('"%m"', b"+123-4", 0.0123),
        (r'"a\?c%d"', b"abc5", 5),
        (r'"a\_b%d"', b"a   b5", 5),
        (r'"%/\d+\.\d/"', b"v12.5", b"12.5"),
    ],
)
def test_input(text: Any, data: Any, expected: Any) -> None:
    assert read(text, data) == (Result.SUCCESS, expected)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('"%f"', b"bla"), ('"%f"', b"-  2"), ('"%x"', b"-f"), ('"%u"', b"-1"), ('"%!5d"', b"123"), ('"%d"', b"5x"), ('"%{a|b}"', b"c"),
        ('"%b"', b"2"), ('"%4r"', b"\1\2"), ('"%R"', b"\1"), ('"%D"', b"\xab"), ('"%/x/"', b"y"), ('"abc"', b"ab"), ('"%=f"', b"2"),
        ('"%s%<sum>"', b"a"), ('"%T"', b"yesterday"), ('"%m"', b"x"), ('"%.1/(x)|y/"', b"y"),
    ],
)  # fmt: skip
def test_input_that_does_not_match_is_told(text: Any, data: Any) -> None:
    result, message = read(text, data, value=1.0)
    assert result is Result.MISMATCH
    assert message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('out "%[abc]"', "for input only"), ('out "%/x/"', "for input only"), ('in "%.2f"', "output only"), ('in "%+s"', "'+'"),
        ('out "%{a|b"', "'}' is missing"), ('out "%#{a=x}"', "whole number"), ('in "%#{a=?}"', "output only"),
        ('out "%<fletcher>"', "fletcher"),
        ('out "%<sum"', "'>' is missing"), ('out "%y"', "no conversion 'y'"), ('out "%"', "missing"), ('out "%5"', "missing"),
        ('out "%*d"', "input only"), ('out "%.d"', "number"), ('in "%5R"', "4 or 8"), ('in "%/(/"', "regular expression"),
        ('in "%.3/(a)/"', "part 3"), ('out "%(VAL)<sum>"', "no value"), ('in "%(VAL)*d"', "no value"), ('in "%T(%Q)"', "%Q"),
        ('in "%B1"', "ends within"),
    ],
)  # fmt: skip
def test_formats_that_can_not_be_are_refused_with_file_line_and_place(text: Any, part: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        talk(f"# first line\np {{ {text}; }}", "p", HeldRecord(0), b"")
    assert part in str(caught.value)
    assert (caught.value.file, caught.value.line) == ("test.proto", 2)
    assert "^" in caught.value.marked


def test_arrays_have_their_separator_between_values() -> None:
    record = HeldRecord([1.5, 2.5], array=True)
    assert talk('Separator = ", "; p { out "%.1f"; }', "p", record) == (Result.SUCCESS, [b"1.5, 2.5"])
    assert talk('Separator = " "; p { in "%f"; }', "p", record, b"1  2 \t3")[0] is Result.SUCCESS
    assert record.value == [1.0, 2.0, 3.0]


def test_a_comparison_takes_the_value_as_it_would_be_written() -> None:
    assert read('"%=.3f"', b"2.000", value=2.0)[0] is Result.SUCCESS
    assert "does not match" in read('"%=.3f"', b"2.001", value=2.0)[1]


many = settings(max_examples=max(settings().max_examples, 110))  # 2,090 in all of the round trips below, more in soak
INTEGERS = st.integers(-(2**63), 2**63 - 1)
EXACT = ["%d", "%i", "%u", "%x", "%#x", "%o", "%#o", "%b", "%.64b", "%B.!", "%.8r", "%#.8r"]
BACK = {"%.64b": "%b", "%.8r": "%8r", "%#.8r": "%#8r"}


@pytest.mark.parametrize("fmt", EXACT)
@many
@given(value=INTEGERS)
def test_whole_numbers_come_back(fmt: Any, value: Any) -> None:
    sent = out(f'"{fmt}"', value)
    result, found = read(f'"{BACK.get(fmt, fmt)}"', sent)
    assert result is Result.SUCCESS
    assert found == value


@pytest.mark.parametrize("fmt", ["%.17g", "%.17e", "%.17G", "%8R", "%#8R"])
@many
@given(value=st.floats())
def test_real_numbers_come_back(fmt: Any, value: Any) -> None:
    result, found = read(f'"{fmt}"'.replace(".17", ""), out(f'"{fmt}"', value))
    assert result is Result.SUCCESS
    assert found == value or (math.isnan(found) and math.isnan(value))


@many
@given(value=st.integers(0, 10**8 - 1))
def test_decimal_pairs_come_back(value: Any) -> None:
    assert read('"%4D"', out('"%.8D"', value)) == (Result.SUCCESS, value)


@many
@given(value=st.binary(max_size=60))
def test_strings_come_back(value: Any) -> None:
    assume(b"\0" not in value)
    assert read('"%60c"', out('"%s"', value)) == (Result.SUCCESS, value)


@given(
    data=st.binary(max_size=40) | st.sampled_from([b"9" * 5000, b"-" + b"1" * 5000, b"0" * 5000]),
    fmt=st.sampled_from(["%d", "%f", "%s", "%5c", "%{a|b}", "%b", "%4r", "%R", "%4D", "%m", "%T", "%/a+/", "%#/a/b/%s", "%s%0<sum>"]),
)
def test_no_input_does_harm(data: Any, fmt: Any) -> None:
    assert read(f'"{fmt}"', data)[0] in (Result.SUCCESS, Result.MISMATCH)
