import ast
from pathlib import Path
from typing import Any

import pytest

from testbeam.wire.streamdevice.checksums import CHECKSUMS, find
from testbeam.wire.streamdevice.conversation import Result
from tests.unit.streamdevice.records import HeldRecord, talk

FILE = Path(__file__).parents[2] / "data" / "streamdevice" / "streamdevice-checksums.tsv"
LINES = [line for line in FILE.read_text().splitlines()[1:] if line]

# the value of each over "123456789"
VALUES = {
    "sum": 0xDD, "sum8": 0xDD, "sum16": 0x01DD, "sum32": 0x000001DD, "nsum8": 0x23, "nsum16": 0xFE23, "nsum32": 0xFFFFFE23,
    "notsum": 0x22, "xor": 0x31, "xor8": 0x31, "xor8ff": 0xCE, "xor7": 0x31, "crc8": 0xF4, "ccitt8": 0xA1, "crc16": 0xFEE8,
    "crc16r": 0xBB3D, "modbus": 0x4B37, "ccitt16": 0x29B1, "ccitt16a": 0xE5CC, "ccitt16x": 0x31C3, "crc16c": 0x31C3, "xmodem": 0x31C3,
    "crc32": 0xFC891918, "crc32r": 0xCBF43926, "jamcrc": 0x340BC6D9, "adler32": 0x091E01DE, "hexsum8": 0x2D, "cpi": 0x7E,
    "leybold": 0x22, "brksCryo": 0x4A, "lrc": 0x23, "hexlrc": 0xA7, "bitsum": 0x21, "bitsum8": 0x21, "bitsum16": 0x21,
    "bitsum32": 0x21, "hv_mps": 0x63,
}  # fmt: skip


def raw(cell: str) -> bytes:
    value: bytes = ast.literal_eval("b'" + cell.replace("'", "\\'") + "'")
    return value


@pytest.mark.parametrize("checksum", CHECKSUMS, ids=lambda checksum: checksum.name)
def test_each_has_its_published_value(checksum: Any) -> None:
    assert checksum.of(b"123456789") == VALUES[checksum.name]


def test_all_37_are_there() -> None:
    assert {checksum.name for checksum in CHECKSUMS} == set(VALUES)
    assert len(CHECKSUMS) == 37


@pytest.mark.parametrize("line", range(len(LINES)))
def test_bytes_of_the_published_list_go_out_and_are_accepted(line: Any) -> None:
    out_format, in_format, value, sent, accepted = LINES[line].split("\t")
    if in_format:
        text = f'Terminator = LF; p {{ out "{out_format}"; in "{in_format}"; }}'
        record = HeldRecord(value.encode())
        result, written = talk(text, "p", record, raw(accepted).removesuffix(b"\n"))
        assert (result, written, record.messages) == (Result.SUCCESS, [raw(sent)], [])


@pytest.mark.parametrize(
    ("name", "meant"), [("crc", "crc8"), ("CRC16", "crc16"), ("sum1", "sum16"), ("x", "xor"), ("brks", "brksCryo"), ("modbus", "modbus")]
)
def test_a_name_cut_short_means_the_first_that_begins_so(name: Any, meant: Any) -> None:
    found = find(name)
    assert found is not None
    assert found.name == meant


def test_an_unknown_name_is_none() -> None:
    assert find("fletcher") is None


def test_a_checksum_is_taken_over_the_bytes_as_they_came() -> None:
    record = HeldRecord(b"")
    result, _ = talk('Terminator = LF; p { in "%#/a/bb/%4s%0<sum>"; }', "p", record, b"xay%02X" % (sum(b"xay") & 0xFF))
    assert (result, record.value) == (Result.SUCCESS, b"xbby")


@pytest.mark.parametrize("fmt", ["%9<sum>", "%.9<sum>", "%99.99<crc32>", "%09.1<sum>", "%+<sum32>", "%#-9.9<crc16>"])
@pytest.mark.parametrize("data", [b"", b"1", b"12345", b"\x00" * 9, bytes(range(32))])
def test_limits_beyond_the_input_do_no_harm(fmt: Any, data: Any) -> None:
    record = HeldRecord(b"")
    result, _ = talk(f'Terminator = LF; p {{ in "%s{fmt}"; }}', "p", record, data)
    assert result in (Result.SUCCESS, Result.MISMATCH)
    assert talk(f'Terminator = LF; p {{ out "{fmt}"; }}', "p", record)[0] is Result.SUCCESS
