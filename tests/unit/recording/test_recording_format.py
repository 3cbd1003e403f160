import resource
import struct
import time
import zlib
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import RecordingError, SettingsError, WireError
from testbeam.kafkatools.recording_file import RecordingWriter, content_of, parts, summary
from testbeam.wire.kafka.message import KafkaMessage
from testbeam.wire.recording import blocks
from testbeam.wire.recording.blocks import HEADER_SIZE, MAX_BODY, SIGNATURE, Block, Damage, Kind
from testbeam.wire.recording.facts import About
from testbeam.wire.recording.messages import MessageBatch, decode_messages
from tests.hostile.corpus import HOSTILE, corruptions
from tests.unit.recording.recordings import ABOUT, a_block, batch, body_of, found_in, message, messages, of_body, write

BATCHES = [[message(1), message(2)], [message(3, topic="motion")], [message(4), message(5, partition=1), message(6)]]
ALL = [row for rows in BATCHES for row in rows]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(tmp_path / "bug.tbrec", BATCHES)


def read(path: Path) -> list[KafkaMessage]:
    return [row for part in parts(path) if isinstance(part.content, MessageBatch) for row in part.content.messages()]


def boundaries(raw: bytes) -> list[int]:
    """Return where each block of a whole file begins, and where the file ends."""
    return list(accumulate((found.size for found in found_in(raw)), initial=len(SIGNATURE)))


@given(st.lists(st.lists(messages, max_size=6), max_size=4), st.booleans())
def test_what_is_recorded_is_read_again_whatever_it_is(batches: list[list[KafkaMessage]], compress: bool) -> None:
    raw = SIGNATURE
    for rows in batches:
        raw += a_block(Kind.MESSAGES, len(raw), body_of(rows), messages=len(rows), deflate=compress)

    found = found_in(raw)

    assert all(isinstance(one, Block) for one in found)
    decoded = [decode_messages(one.body, one.messages) for one in found if isinstance(one, Block)]
    assert [[_plain(row) for row in one.messages()] for one in decoded] == [[_plain(row) for row in rows] for rows in batches]


def test_a_recording_says_what_is_in_it(recording: Path) -> None:
    told = summary(recording)

    assert told.about == ABOUT
    assert told.topics == {"detector": 2, "motion": 1}
    assert told.messages == {("detector", 0): 4, ("detector", 1): 1, ("motion", 0): 1}
    assert (told.first_ms, told.last_ms, told.value_bytes) == (1_001, 1_006, 6 * len(b"payload 1"))
    assert told.largest == {"detector": 9, "motion": 9}
    assert told.how_it_ends() == "ended in order: told to stop"
    assert told.damages == []


def test_a_compressed_recording_is_smaller_and_says_the_same(tmp_path: Path) -> None:
    rows = [[message(number, value=bytes(1_000)) for number in range(10)]]
    plain, small = write(tmp_path / "plain", rows), write(tmp_path / "small", rows, compress=True)

    assert read(small) == read(plain) == rows[0]
    assert small.stat().st_size < plain.stat().st_size / 10


def test_more_large_messages_than_one_write_takes_are_written(tmp_path: Path) -> None:
    rows = [message(number, value=bytes([number % 256]) * 17_000) for number in range(1_100)]

    assert read(write(tmp_path / "large", [rows])) == rows


def test_what_a_killed_recorder_has_written_is_read_to_the_last_message(tmp_path: Path) -> None:
    told = summary(write(tmp_path / "killed", BATCHES, ended=False))

    assert told.messages.total() == 6
    assert told.how_it_ends() == "has no end mark: its recorder was killed, or the file is cut off; 6 messages are whole"
    assert told.harm == []


def test_a_file_cut_at_any_byte_gives_every_whole_block_before_the_cut(tmp_path: Path, recording: Path) -> None:
    raw = recording.read_bytes()
    starts = boundaries(raw)
    for size in range(len(SIGNATURE), len(raw)):
        path = tmp_path / "cut"
        path.write_bytes(raw[:size])
        whole = sum(end <= size for end in starts[1:])

        told = summary(path)

        assert read(path) == [row for rows in BATCHES[: max(whole - 1, 0)] for row in rows]  # the first block is "about"
        assert told.end is None
        assert told.harm == []
        assert [damage.cut for damage in told.damages] == ([] if size in starts else [True])
        for damage in told.damages:
            assert (damage.at, damage.at + damage.size) == (starts[whole], size)


def test_the_messages_of_a_block_that_is_cut_off_are_counted(recording: Path) -> None:
    raw = recording.read_bytes()
    last_messages, end_mark = boundaries(raw)[-3:-1]
    recording.write_bytes(raw[: end_mark - 1])

    told = summary(recording)

    assert told.damages[0].messages == 3
    assert f"bytes {last_messages} to {end_mark - 1}: a block of {end_mark - last_messages} bytes is cut off" in told.how_it_ends()
    assert "3 messages are lost" in told.how_it_ends()
    assert "3 messages are whole" in told.how_it_ends()


@pytest.mark.parametrize("compress", [False, True])
def test_a_flipped_byte_costs_one_block_and_is_named_with_its_place(tmp_path: Path, compress: bool) -> None:
    path = write(tmp_path / "whole", BATCHES, compress=compress)
    raw = path.read_bytes()
    starts = boundaries(raw)
    blocks_of = [[], *BATCHES, []]
    for at in range(len(SIGNATURE), len(raw)):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x40]) + raw[at + 1 :])
        hit = sum(start <= at for start in starts) - 1

        told = summary(path)

        assert read(path) == [row for number, rows in enumerate(blocks_of) if number != hit for row in rows]
        assert [(damage.at, damage.at + damage.size) for damage in told.damages] == [(starts[hit], starts[hit + 1])]
        assert str(told.damages[0]).startswith(f"bytes {starts[hit]} to {starts[hit + 1]}: ")


def test_damage_in_a_body_says_how_many_messages_are_lost(recording: Path) -> None:
    raw = recording.read_bytes()
    end_mark = boundaries(raw)[-2]
    recording.write_bytes(raw[: end_mark - 1] + b"?" + raw[end_mark:])

    (damage,) = summary(recording).harm

    assert str(damage).endswith("the body of a block is damaged (its checksum differs); 3 messages are lost")


@pytest.mark.parametrize("at", range(len(SIGNATURE)))
def test_a_file_that_begins_otherwise_is_no_recording(recording: Path, at: int) -> None:
    raw = recording.read_bytes()
    recording.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])

    with pytest.raises(RecordingError, match=r"bug\.tbrec: (is none: it begins with 0x|is of version)"):
        summary(recording)


@pytest.mark.parametrize("size", range(len(SIGNATURE)))
def test_a_file_that_is_shorter_than_its_signature_is_no_recording(recording: Path, size: int) -> None:
    recording.write_bytes(recording.read_bytes()[:size])

    with pytest.raises(RecordingError, match="is none"):
        summary(recording)


def test_a_later_version_is_told_with_the_one_that_is_known(recording: Path) -> None:
    recording.write_bytes(SIGNATURE[:-2] + b"\2\0")

    with pytest.raises(RecordingError, match="is of version 2; this testbeam reads 1"):
        summary(recording)


def test_a_line_end_that_a_transfer_has_changed_is_found_at_once(recording: Path) -> None:
    recording.write_bytes(recording.read_bytes().replace(b"\r\n", b"\n"))

    with pytest.raises(RecordingError, match="is none"):
        summary(recording)


def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nowhere: can't be read: No such file"):
        summary(tmp_path / "nowhere")


def test_no_corruption_raises_anything_but_an_error_of_ours(tmp_path: Path, recording: Path) -> None:
    path = tmp_path / "corrupted"
    for raw in corruptions(recording.read_bytes(), seed=1, n=500):
        path.write_bytes(raw)
        try:
            told = summary(path)
        except RecordingError:
            continue
        assert set(read(path)) <= set(ALL)
        assert told.messages.total() + sum(damage.messages or 0 for damage in told.damages) <= len(ALL)


@pytest.mark.parametrize("kind", [Kind.ABOUT, Kind.MESSAGES, Kind.END, 99])
def test_a_block_of_any_content_is_damage_at_worst(kind: int) -> None:
    for name, payload in HOSTILE:
        (found,) = found_in(of_body(payload, 3, kind))

        assert isinstance(found, Block)
        assert isinstance(content_of(found), Damage), name


def _lies() -> Iterator[tuple[str, bytes, int]]:
    body = body_of([message(1), message(2)])
    table = len(b'[["detector", 0]]') + 4
    sizes = table + 2 * (2 + 1 + 8 + 8)
    yield "more messages than there are", body, 3
    yield "2**32 messages", body, 2**32 - 1
    yield "fewer messages than there are", body, 1
    yield "no messages", body, 0
    yield "a partition that is not named", body[:table] + b"\1" + body[table + 1 :], 2
    yield "a key of size -2", body[:sizes] + struct.pack("<i", -2) + body[sizes + 4 :], 2
    yield "a key as large as can be", body[:sizes] + struct.pack("<i", 2**31 - 1) + body[sizes + 4 :], 2
    yield "bytes left over", body + b"?", 2
    yield "a byte too few", body[:-1], 2
    for text in (
        b"[1]",
        b"{}",
        b'{"ab": 1}',
        b'[["a", -1]]',
        b'[["a", "b"]]',
        b'[["a", 1.5]]',
        b'[["a", true]]',
        b"[" * 5_000,
        b"9" * 5_000,
    ):
        yield f"{text[:20]!r} for its partitions", struct.pack("<I", len(text)) + text + body[table:], 2
    for name, headers in (("cut off", b"\1\0"), ("too long", b"\7\0\0\0a"), ("not UTF-8", b"\1\0\0\0\xff\0\0\0\0")):
        whole = body_of([KafkaMessage("t", 0, 1, 1, 1, None, b"v", (("x", b"y"),))])
        at = whole.rindex(b"v") + 1
        sized = whole[: whole.rindex(b"v") - 4] + struct.pack("<I", len(headers))
        yield f"headers that are {name}", sized + whole[at - 1 : at] + headers, 1


@pytest.mark.parametrize(("body", "count"), [pytest.param(body, count, id=name) for name, body, count in _lies()])
def test_a_block_that_lies_is_a_wire_error(body: bytes, count: int) -> None:
    with pytest.raises(WireError, match="recording: "):
        decode_messages(body, count)


def _with_header(body: bytes, stored: bytes, plain: int, flags: int) -> bytes:
    head = blocks._HEADER.pack(b"\xf5TBb", Kind.MESSAGES, flags, 0, 1, len(stored), plain, len(SIGNATURE), zlib.crc32(stored))
    return SIGNATURE + head + struct.pack("<I", zlib.crc32(head)) + stored


def test_a_bomb_is_inflated_no_further_than_it_says() -> None:
    bomb = zlib.compress(bytes(200 << 20), 9)
    started_s = time.process_time()

    (found,) = found_in(_with_header(b"", bomb, 100, 1))

    assert isinstance(found, Damage)
    assert "inflates to other than the 100 bytes" in found.problem
    assert time.process_time() - started_s < 0.5


def test_a_body_that_is_not_deflated_as_it_says_is_damage() -> None:
    (found,) = found_in(_with_header(b"", b"not deflated", 100, 1))

    assert isinstance(found, Damage)
    assert "can't be inflated" in found.problem


def test_a_block_may_not_be_larger_than_any_is() -> None:
    (found,) = found_in(_with_header(b"", b"", MAX_BODY + 1, 0))

    assert isinstance(found, Damage)


def test_a_block_inside_a_payload_is_not_taken_for_one_of_the_file(recording: Path, tmp_path: Path) -> None:
    nested = write(tmp_path / "nested", [[message(9, value=recording.read_bytes())], [message(10)]])
    raw = nested.read_bytes()
    first = boundaries(raw)[1]
    nested.write_bytes(raw[: first + 1] + b"?" + raw[first + 2 :])

    assert read(nested) == [message(10)]


def test_a_file_of_headers_that_promise_more_than_there_is_takes_no_longer_for_it() -> None:
    count = 5_000
    raw = bytearray(SIGNATURE)
    for _ in range(count):
        head = blocks._HEADER.pack(b"\xf5TBb", Kind.MESSAGES, 0, 0, 1, MAX_BODY, MAX_BODY, len(raw), 0)
        raw += head + struct.pack("<I", zlib.crc32(head))
    started_s = time.process_time()

    found = found_in(bytes(raw))

    assert len(found) == count
    assert all(isinstance(one, Damage) for one in found)
    assert time.process_time() - started_s < 2.5  # 0.1 is expected


def test_the_place_of_damage_is_found_beyond_any_distance() -> None:
    junk = b"\xf5TB" * 1_000_000
    lost = a_block(Kind.MESSAGES, len(SIGNATURE), junk, messages=7)
    second = a_block(Kind.END, len(SIGNATURE) + len(lost), b"{}")

    damage, end = found_in(SIGNATURE + b"?" + lost[1:] + second)

    assert isinstance(damage, Damage)
    assert (damage.at, damage.size) == (len(SIGNATURE), len(lost))
    assert isinstance(end, Block)


def test_a_recording_never_replaces_a_file_unless_it_is_told_to(recording: Path) -> None:
    with pytest.raises(SettingsError, match="`overwrite=True` to replace"):
        RecordingWriter(recording, ABOUT)

    with RecordingWriter(recording, ABOUT, overwrite=True):
        pass
    assert summary(recording).messages.total() == 0


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"path.*No such file or directory"):
        RecordingWriter(tmp_path / "no" / "file", ABOUT)


def test_a_full_disk_is_told_with_what_was_kept() -> None:
    with RecordingWriter(Path("/dev/null"), About(topics={}), overwrite=True) as file:
        file.write(batch([message(1)]))
        file._file.close()
        file._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 — the writer closes it

        with pytest.raises(RecordingError, match=r"can't be written at byte \d+: No space left on device; the 1 messages before it are in"):
            file.write(batch([message(2)]))


def test_a_block_that_does_not_fit_on_the_disk_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "large"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with RecordingWriter(path, ABOUT) as file:
        file.write(batch([message(1)]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.size + 5_000, before[1]))  # as a full disk: a part of it is written
        try:
            with pytest.raises(RecordingError, match="the 1 messages before it are in the file"):
                file.write(batch([message(2, value=bytes(10_000))]))
            file.end("the disk is full", 0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert read(path) == [message(1)]
    assert summary(path).how_it_ends() == "ended in order: the disk is full"


def test_more_partitions_than_can_be_numbered_are_refused(tmp_path: Path) -> None:
    one = batch([message(1)])
    many = MessageBatch(
        partitions=[("t", number) for number in range((1 << 16) + 1)],
        partition=one.partition,
        timestamp_type=one.timestamp_type,
        offset=one.offset,
        timestamp_ms=one.timestamp_ms,
        key=one.key,
        value=one.value,
        headers=one.headers,
    )

    with RecordingWriter(tmp_path / "many", ABOUT) as file, pytest.raises(RecordingError, match="65537 partitions are more than the 65536"):
        file.write(many)


def test_an_empty_block_header_has_the_size_that_the_format_says() -> None:
    assert HEADER_SIZE == 36
    assert len(a_block(Kind.END, 0, b"")) == HEADER_SIZE


def _plain(row: KafkaMessage) -> tuple[object, ...]:
    return (*row[:-1], [tuple(header) for header in row.headers])
