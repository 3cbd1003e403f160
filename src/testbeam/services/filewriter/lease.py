"""Leases: which writer does which job, so that another one takes up the job of a writer that was killed.

The lease topic is a log that all writers of a pool read: a lease is held by whoever wrote the first record of its newest epoch, and is
renewed by further ones. One that was not renewed for its time to live is expired; who wants it writes a record of the next epoch, and has
it if that was the first. A writer that was only paused finds itself superseded when it reads on, and lets go of the job in silence.
Pure: monotonic seconds come in as arguments. Source: docs/reference/contracts/filewriter.md, "Job flow".
"""

import json
import posixpath
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from testbeam.model.time import MS_PER_S

_GRACE_S = 2.0  # beyond the status interval: a client gives a job up 5 s after it
_RELEASED_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One record: job `job_id`, taken by `owner` in `epoch`; times in ms since 1970, `stop_ms` 0 is none.

    service_ids: of all its writers, the first one first. command: the start command's topic, partition and offset, or itself (`inline`,
    base64). control: the offset from which the next writer reads each partition of the control topic. answered: the start command was.
    """

    lease_id: str
    job_id: str
    epoch: int
    owner: str
    service_ids: tuple[str, ...]
    file: str
    start_ms: int
    stop_ms: int
    taken_ms: int
    sent_ms: int
    interval_ms: int
    command: tuple[str, int, int] | None = None
    inline: str = ""
    control: Mapping[str, int] = field(default_factory=dict)
    answered: bool = False
    released: bool = False
    nonce: int = 0

    @property
    def ttl_s(self) -> float:
        """Return after how many seconds without a renewal it is expired."""
        return self.interval_ms / MS_PER_S + _GRACE_S

    @property
    def renewal_s(self) -> float:
        """Return how often it is renewed."""
        return min(self.interval_ms / MS_PER_S / 2, 1.0)

    def encode(self) -> bytes:
        """Return the record."""
        return json.dumps(asdict(self)).encode()

    def claimed_by(self, service_id: str) -> "Lease":
        """Return the record by which another writer takes it over."""
        ids = (*self.service_ids, *([] if service_id in self.service_ids else [service_id]))
        return replace(self, epoch=self.epoch + 1, owner=service_id, service_ids=ids, nonce=0)

    def release(self) -> "Lease":
        """Return the record by which it ends."""
        return replace(self, released=True, inline="", nonce=self.nonce + 1)

    def command_bytes(self) -> bytes:
        """Return the start command that it holds itself."""
        return b64decode(self.inline)


def inline(command: bytes) -> str:
    """Return a start command as a lease holds it."""
    return b64encode(command).decode()


def decode_lease(record: bytes | None) -> Lease | None:
    """Return the lease of a record; None for what is none."""
    try:
        values: dict[str, Any] = json.loads(record or b"")
        command = values.get("command")
        values |= {"service_ids": tuple(values["service_ids"]), "command": None if command is None else tuple(command)}
        lease = Lease(**values)
        return lease if _is_sound(lease) else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _is_sound(lease: Lease) -> bool:
    texts = [lease.lease_id, lease.job_id, lease.owner, lease.file, lease.inline, *lease.service_ids, *lease.control]
    numbers = [lease.epoch, lease.start_ms, lease.stop_ms, lease.taken_ms, lease.sent_ms, lease.interval_ms, lease.nonce]
    numbers += lease.control.values()
    if lease.command is not None:
        topic, partition, offset = lease.command
        texts, numbers = [*texts, topic], [*numbers, partition, offset]
    return all(isinstance(number, int) and abs(number) < 2**64 for number in numbers) and all(isinstance(text, str) for text in texts)


@dataclass(slots=True)
class LeaseTable:
    """Who holds what, after the records that were read so far, in their order."""

    _held: dict[str, tuple[Lease, float]] = field(default_factory=dict)  # by lease id; with when its last record was seen
    _released: dict[str, Lease] = field(default_factory=dict)

    def observe(self, lease: Lease, now_s: float, age_s: float = 0.0) -> None:
        """Take in the next record; `age_s`: how old it was when it was read, so that an old one is not waited for anew.

        At least two renewals are waited for all the same: clocks may differ.
        """
        current = self._current(lease.lease_id)
        if current is not None:
            if current.released or lease.epoch < current.epoch:
                return
            if lease.epoch == current.epoch and lease.owner != current.owner:
                return
        if lease.released:
            self._held.pop(lease.lease_id, None)
            self._released[lease.lease_id] = lease
            while len(self._released) > _RELEASED_KEPT:
                del self._released[next(iter(self._released))]
        else:
            self._held[lease.lease_id] = (lease, now_s - max(0.0, min(age_s, lease.ttl_s - 2 * lease.renewal_s)))

    def expired(self, now_s: float) -> Iterator[Lease]:
        """Yield the leases that anybody may claim, the oldest job first."""
        found = [lease for lease, seen_s in self._held.values() if now_s - seen_s > lease.ttl_s]
        yield from sorted(found, key=lambda lease: lease.taken_ms)

    def is_owner(self, lease: Lease) -> bool:
        """Tell whether this record's owner holds the lease in this record's epoch."""
        current = self._current(lease.lease_id)
        return current is not None and (current.epoch, current.owner) == (lease.epoch, lease.owner)

    def is_lost(self, lease: Lease) -> bool:
        """Tell whether another has it by now."""
        return self._current(lease.lease_id) is not None and not self.is_owner(lease)

    def has_seen(self, lease: Lease) -> bool:
        """Tell whether this record, or a later one of its epoch, was read."""
        current = self._current(lease.lease_id)
        return current is not None and (
            current.epoch > lease.epoch
            or (current.epoch == lease.epoch and current.owner != lease.owner)
            or (self.is_owner(lease) and current.nonce >= lease.nonce)
        )

    def has_file_of_another(self, lease: Lease) -> bool:
        """Tell whether a job that goes on, and has said so, writes the file that this one asks for, too."""
        others = (other for other, _s in self._held.values() if other.lease_id != lease.lease_id and other.answered)
        wanted = posixpath.normpath(lease.file.lstrip("/"))
        return any(posixpath.normpath(other.file.lstrip("/")) == wanted for other in others)

    def has_command(self, command: tuple[str, int, int]) -> bool:
        """Tell whether somebody took the job of the start command at this topic, partition and offset."""
        return any(lease.command == command for lease in (*(lease for lease, _s in self._held.values()), *self._released.values()))

    def _current(self, lease_id: str) -> Lease | None:
        return self._held[lease_id][0] if lease_id in self._held else self._released.get(lease_id)
