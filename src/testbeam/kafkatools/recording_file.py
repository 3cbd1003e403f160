"""Recording on disk: written, read, and what of a damaged one can still be read."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from testbeam.errors import RecordingError, SettingsError, WireError
from testbeam.model.topic_partition import TopicPartition
from testbeam.wire.recording.blocks import SIGNATURE, Block, Damage, Kind, block, scan
from testbeam.wire.recording.facts import About, End, decode_about, decode_end, encode_about, encode_end
from testbeam.wire.recording.messages import MessageBatch, decode_messages, encode_messages

_MOST_PIECES = 1_000  # Linux takes 1024


class RecordingWriter:
    """Appends blocks to a new file; each is with the operating system when `write` returns, so a kill loses none of them.

    A block that could not be written whole is taken back, so that the file stays readable and an end mark may still follow.
    """

    def __init__(self, path: Path, about: About, *, compress: bool = False, overwrite: bool = False) -> None:
        self.path = path
        self.messages = 0
        self.size = 0
        self._compress = compress
        self._file = _create(path, overwrite)
        with self._naming():
            self._append([SIGNATURE, *block(Kind.ABOUT, len(SIGNATURE), encode_about(about))])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def write(self, batch: MessageBatch) -> None:
        """Append a batch as one block.

        Raises:
            RecordingError: the disk is full, or the file can't be written for another reason.
        """
        with self._naming():
            body = encode_messages(batch)
            self._append(block(Kind.MESSAGES, self.size, *body, messages=len(batch), deflate=self._compress))
        self.messages += len(batch)

    def end(self, reason: str, ended_ms: int) -> None:
        """Append the last block, which tells a recording that ended in order from one whose recorder was killed."""
        with self._naming():
            self._append(block(Kind.END, self.size, encode_end(End(messages=self.messages, reason=reason, ended_ms=ended_ms))))

    def close(self) -> None:
        """Close the file; without `end` it reads as one whose recorder was killed."""
        self._file.close()

    def _append(self, pieces: Sequence[bytes]) -> None:
        written = os.writev(self._file.fileno(), pieces[:_MOST_PIECES])
        size = sum(map(len, pieces))
        if written < size:  # a disk that is nearly full, more than 2 GiB, or more pieces
            left = memoryview(b"".join(pieces))[written:]
            while left:
                left = left[self._file.write(left) :]
        self.size += size

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            with suppress(OSError):  # what is no file, such as a device, can't be shortened
                self._file.truncate(self.size)
                self._file.seek(self.size)
            kept = f"the {self.messages} messages before it are in the file"
            raise RecordingError(self.path, f"can't be written at byte {self.size}: {error.strerror}; {kept}") from error
        except WireError as error:
            raise RecordingError(self.path, error.problem) from error


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a recording and where it begins: what it says of itself, messages, its end, or damage."""

    at: int
    content: About | MessageBatch | End | Damage


@dataclass(slots=True, kw_only=True)
class Summary:
    """What is in a recording.

    `end` is None where its recorder was killed or the file is cut; `largest` has the bytes of each topic's largest message.
    """

    path: Path
    about: About | None = None
    end: End | None = None
    damages: list[Damage] = field(default_factory=list)
    messages: Counter[TopicPartition] = field(default_factory=Counter)
    largest: dict[str, int] = field(default_factory=dict)
    value_bytes: int = 0
    first_ms: int | None = None
    last_ms: int | None = None

    @property
    def topics(self) -> dict[str, int]:
        """Return the topics with their numbers of partitions; as many as were seen, where the first block is damaged."""
        seen: dict[str, int] = {}
        for topic, partition in self.messages:
            seen[topic] = max(seen.get(topic, 0), partition + 1)
        return seen | dict(self.about.topics if self.about else {})

    @property
    def harm(self) -> list[Damage]:
        """Return the damages other than the cut-off end that a killed recorder leaves."""
        return [damage for damage in self.damages if not damage.cut]

    def count(self, topic: str) -> int:
        """Return the number of messages of a topic."""
        return sum(count for (name, _), count in self.messages.items() if name == topic)

    def how_it_ends(self) -> str:
        """Say in words whether the recording is whole."""
        if self.end is not None:
            return f"ended in order: {self.end.reason}"
        cut = next((damage for damage in self.damages if damage.cut), None)
        where = "" if cut is None else f" ({cut})"
        return f"has no end mark: its recorder was killed, or the file is cut off{where}; {self.messages.total()} messages are whole"


def parts(path: Path) -> Iterator[Part]:
    """Yield all that is in a recording, in its order.

    Raises:
        RecordingError: the file can't be read, is no recording, or is of a version that is not known here.
    """
    try:
        with path.open("rb") as file:
            for found in scan(file):
                yield Part(found.at, found if isinstance(found, Damage) else content_of(found))
    except WireError as error:
        raise RecordingError(path, error.problem) from None
    except OSError as error:
        raise RecordingError(path, f"can't be read: {error.strerror}") from error


def content_of(found: Block) -> About | MessageBatch | End | Damage:
    """Return what a whole block says; a block that is whole and yet makes no sense is damage, too."""
    try:
        match found.kind:
            case Kind.ABOUT:
                return decode_about(found.body)
            case Kind.MESSAGES:
                return decode_messages(found.body, found.messages)
            case Kind.END:
                return decode_end(found.body)
    except WireError as error:
        return Damage(at=found.at, size=found.size, problem=error.problem, messages=found.messages)
    return Damage(at=found.at, size=found.size, problem=f"a block of unknown kind {found.kind}", messages=found.messages)


def summary(path: Path) -> Summary:
    """Read a whole recording, check every byte of it, and return what is in it; raise as `parts`."""
    told = Summary(path=path)
    for part in parts(path):
        match part.content:
            case About() as about:
                told.about = about
            case End() as end:
                told.end = end
            case Damage() as damage:
                told.damages.append(damage)
            case MessageBatch() as batch:
                _count(told, batch)
    return told


def _count(told: Summary, batch: MessageBatch) -> None:
    if not len(batch):
        return
    sizes = np.array([len(value or b"") + len(key or b"") for value, key in zip(batch.value, batch.key, strict=True)], np.int64)
    told.value_bytes += sum(len(value) for value in batch.value if value)
    sizes += np.array([len(headers) for headers in batch.headers], np.int64)
    for number in np.unique(batch.partition).tolist():
        partition, chosen = batch.partitions[number], batch.partition == number
        told.messages[partition] += int(chosen.sum())
        told.largest[partition[0]] = max(told.largest.get(partition[0], 0), int(sizes[chosen].max()))
    first_ms, last_ms = int(batch.timestamp_ms.min()), int(batch.timestamp_ms.max())
    told.first_ms = first_ms if told.first_ms is None else min(told.first_ms, first_ms)
    told.last_ms = last_ms if told.last_ms is None else max(told.last_ms, last_ms)


def _create(path: Path, overwrite: bool) -> BinaryIO:
    try:
        return path.open("wb" if overwrite else "xb", buffering=0)
    except FileExistsError:
        raise SettingsError("path", str(path), "a new file, or `overwrite=True` to replace this one") from None
    except OSError as error:
        raise SettingsError("path", str(path), f"a file that can be written ({error.strerror})") from None
