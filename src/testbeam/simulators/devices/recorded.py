"""Device made from the wire transcript of an IOC: it answers each request as the recorded device did.

A request that was sent several times is answered by the recorded replies in their order, and after the last by that one again. What the
device said before it was asked for anything is sent when it has been up for so long as it had been then, in virtual time. Requests that
the transcript does not have get no reply.
"""

import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from testbeam.errors import SettingsError
from testbeam.simulators.devices.device import Device, Reply

SUFFIX = ".jsonl"
_ENDS = ("\r\n", "\n\r", "\n", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What went over one port: the replies to each request, in their order, and what came unasked, with seconds since the begin."""

    terminator: str
    replies: dict[bytes, tuple[bytes, ...]]
    unasked: tuple[tuple[float, bytes], ...]


class Recorded(Device):
    """A device that says what a recording has."""

    recording: ClassVar[Recording]
    reply_terminator = ""  # replies are as they were

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._left = {request: deque(replies) for request, replies in self.recording.replies.items()}
        self._unasked = deque(self.recording.unasked)

    def advance(self, seconds: float) -> None:  # noqa: ARG002 — the time that it has been up for is the device's own
        """Send what is due unasked."""
        while self._unasked and self._unasked[0][0] <= self.time_s:
            self.push(self._unasked.popleft()[1])

    def unknown(self, request: bytes) -> Reply:
        """Return the next of the recorded replies."""
        replies = self._left.get(request)
        if not replies:
            return None
        return replies.popleft() if len(replies) > 1 else replies[0]


def recorded_class(name: str) -> type[Recorded]:
    """Return the class for `FILE.jsonl`, or for `FILE.jsonl:PORT` where several ports are in it.

    Raises:
        SettingsError: the file can't be read, is none, or does not say which port is meant.
    """
    file, colon, port = name.partition(f"{SUFFIX}:")
    path = Path(f"{file}{SUFFIX}" if colon else name)
    entries = list(_entries(path))
    ports = list(dict.fromkeys(str(entry["port"]) for entry in entries))
    if not port and len(ports) != 1:
        raise SettingsError("device", name, f"{path}:PORT with one of its ports: {', '.join(ports) or 'it has none'}")
    if port and port not in ports:
        raise SettingsError("device", name, f"a port that is in the file: {', '.join(ports)}")
    recording = recording_of([entry for entry in entries if entry["port"] == (port or ports[0])])
    return type("Recorded", (Recorded,), {"recording": recording, "terminator": recording.terminator})


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        for line in lines:
            entry = json.loads(line)
            yield {"port": entry["port"], "kind": entry["kind"], "t": float(entry["t"]), "data": str(entry["data"])}
    except OSError as error:
        raise SettingsError("device", str(path), f"a wire transcript that can be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError("device", str(path), "a wire transcript of an IOC: wire.jsonl in its folder") from error


def recording_of(entries: Sequence[dict[str, Any]]) -> Recording:
    """Return the recording of one port's entries."""
    terminator = _common_end([entry["data"] for entry in entries if entry["kind"] == "out"])
    replies: dict[bytes, list[bytes]] = {}
    unasked: list[tuple[float, bytes]] = []
    request: bytes | None = None
    for entry in entries:
        data = entry["data"].encode("latin-1")
        if entry["kind"] == "out":
            request = entry["data"].removesuffix(terminator).encode("latin-1")
            replies.setdefault(request, []).append(b"")
        elif entry["kind"] == "in" and request is None:
            unasked.append((entry["t"] - entries[0]["t"], data))
        elif entry["kind"] == "in" and request is not None:
            replies[request][-1] += data
    said = {asked: tuple(filter(None, answers)) for asked, answers in replies.items()}
    return Recording(terminator=terminator, replies={asked: answers for asked, answers in said.items() if answers}, unasked=tuple(unasked))


def _common_end(requests: Sequence[str]) -> str:
    return next((end for end in _ENDS if requests and all(request.endswith(end) for request in requests)), "")
