"""The published steps of StreamDevice's own tests, as records, protocols and exchanges of one running IOC."""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parents[2] / "data" / "streamdevice"
LONG = "".join(f"This is line {number}.\n" for number in range(1, 501))

# Records that belong to a step's test and do not talk to the device themselves, or that no step triggers
BESIDE = {
    "testWaage": """
record(calc, "DZ:weight") { field(INPB, "DZ:sign") field(CALC, "B?A:-A") field(FLNK, "DZ:out") }
record(ao, "DZ:out") { field(DTYP, "stream") field(DOL, "DZ:weight") field(OMSL, "closed_loop") field(OUT, "@test.proto out device") }
""",
    "testSpyOnLongInput": """
record(stringin, "DZ:spy") { field(DTYP, "stream") field(INP, "@test.proto readintr device")
    field(SCAN, "I/O Intr") field(FLNK, "DZ:count") }
record(calc, "DZ:count") { field(INPA, "DZ:count") field(CALC, "A+1") }
""",
    "testLongUnsolicitedInput": """
record(bo, "DZ:ready") { field(DTYP, "stream") field(OUT, "@test.proto ready device") field(PINI, "YES") }
record(stringin, "DZ:read") { field(DTYP, "stream") field(INP, "@test.proto readintr device")
    field(SCAN, "I/O Intr") field(FLNK, "DZ:count") }
record(calc, "DZ:count") { field(INPA, "DZ:count") field(CALC, "A+1") }
""",
}
PROTOCOLS_BESIDE = {
    "testWaage": 'out { out "%.2f"; }',
    "testSpyOnLongInput": 'readintr { extraInput = ignore; in "%39c"; }',
    "testLongUnsolicitedInput": 'ready { out "ready"; } readintr { extraInput = ignore; in "%39c"; }',
}
_OWN_TEXT = {("testOutTerminators", "DZ:test1"): 'test1 { out "%s"; }'}  # stands above the terminator in its file
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|.)")
_MULTI = re.compile(r"%\(\\\$1(\w+)\.(\w+)\)(\w|39\[)")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what is triggered, what must go over the wire in which order."""

    case: str
    test: str
    record_type: str
    record: str
    fields: tuple[tuple[str, str], ...]
    protocol: str
    trigger: str
    exchange: tuple[tuple[str, bytes], ...]  # "<" from the device, ">" to it
    settles: bool  # the record is waited for afterwards


def raw(cell: str) -> bytes:
    """Return the bytes of a cell, in which bytes that can't be printed, and backslashes, are escaped."""
    simple = {"n": b"\n", "r": b"\r", "t": b"\t"}

    def byte(match: re.Match[str]) -> str:
        text = match[1]
        return chr(int(text[1:], 16)) if text[0] == "x" and len(text) == 3 else simple.get(text, text.encode("latin-1")).decode("latin-1")

    return _ESCAPE.sub(byte, cell).encode("latin-1")


@cache
def steps() -> tuple[Step, ...]:
    lines = (DATA / "streamdevice-cases.tsv").read_text().split("\n")[1:]
    return tuple(_step(line.split("\t")) for line in lines if line)


def _step(cells: list[str]) -> Step:
    case, test, kind, record, fields, _, _, text, trigger, _, _, sequence, notes = (*cells, "", "")[:13]
    pairs = (entry.partition("=") for entry in fields.split("; ") if entry)
    exchange = tuple((part[0], _bytes(part[2:])) for part in sequence.split(" || "))
    return Step(
        case=case,
        test=test,
        record_type=kind,
        record=record,
        fields=tuple((name, raw(value).decode("latin-1")) for name, _, value in pairs),
        protocol=raw(text).decode("latin-1"),
        trigger=trigger,
        exchange=exchange,
        settles="wait" in notes,
    )


def _bytes(text: str) -> bytes:
    return LONG.encode() if text.startswith("<<long string") else raw(text)


def tests() -> tuple[str, ...]:
    return tuple(dict.fromkeys(step.test for step in steps()))


def of_test(test: str) -> Iterator[Step]:
    return (step for step in steps() if step.test == test)


def renamed(text: str, test: str) -> str:
    """Give the records of a test, and their port, names of their own."""
    return text.replace("DZ:", f"{test}:")


def database(test: str, folder: Path) -> str:
    """Return the records of a test; write their protocol files."""
    made: dict[str, str] = {}
    for step in of_test(test):
        if step.record in made or step.record == "?":
            continue
        file = f"{test}-{step.record.replace(':', '_')}.proto"
        text = _OWN_TEXT.get((test, step.record), step.protocol)
        (folder / file).write_text(text, encoding="latin-1")
        fields = "".join(f'    field({name}, "{_value(value, file, test)}")\n' for name, value in step.fields)
        made[step.record] = f'record({step.record_type}, "{step.record}") {{\n{fields}}}\n'
        for name, _, kind in _MULTI.findall(step.protocol):
            made.setdefault(f"DZ:{name}", _soft(name, kind))
    common = next(step.protocol for step in of_test(test))
    beside = f"{test}-beside.proto"
    (folder / beside).write_text(f"Terminator = LF;\n{PROTOCOLS_BESIDE.get(test, '')}\n")
    assert common
    text = "".join(made.values()) + BESIDE.get(test, "").replace("test.proto", beside)
    return renamed(text.replace(" device", f" port-{test}"), test)


def _value(value: str, file: str, test: str) -> str:
    return value.replace("test.proto", file).replace("\\", "\\\\").replace('"', '\\"')


def _soft(name: str, kind: str) -> str:
    record = {"d": "longin", "g": "ai"}.get(kind, "stringin")
    raw_value = name in ("VP5", "VP12", "VM12")
    if raw_value:
        return f'record(ai, "DZ:{name}") {{ field(DTYP, "Raw Soft Channel") }}\n'
    return f'record({record}, "DZ:{name}") {{ }}\n'


class FakeDevice:
    """A device that says and hears exactly what a test tells it."""

    def __init__(self, address: str) -> None:
        self._server = socket.create_server((address, 0))
        self.port = int(self._server.getsockname()[1])
        self._connection: socket.socket | None = None
        self._heard = b""

    def connection(self) -> socket.socket:
        if self._connection is None:
            self._server.settimeout(10.0)
            self._connection, _ = self._server.accept()
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection.settimeout(10.0)
        return self._connection

    def send(self, data: bytes) -> None:
        self.connection().sendall(data)

    def hear(self, expected: bytes) -> bytes:
        """Return as many bytes as are expected, or what has come by a time that is long enough."""
        while len(self._heard) < len(expected):
            try:
                data = self.connection().recv(65_536)
            except TimeoutError:
                break
            if not data:
                break
            self._heard += data
        found, self._heard = self._heard[: len(expected)], self._heard[len(expected) :]
        return found

    def surplus(self) -> bytes:
        return self._heard

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._server.close()
