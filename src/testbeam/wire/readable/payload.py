"""What is this payload: a message of which schema, from whom, saying what; or junk, and why?"""

from codecs import getincrementaldecoder
from dataclasses import dataclass
from typing import Any

from testbeam.errors import WireError
from testbeam.wire.flatbuffers.registry import DECODERS, schema_id
from testbeam.wire.readable.texts import hex_head, printable, size
from testbeam.wire.readable.values import line_of, source_of

_SHOWN = 60  # bytes of a text that is no FlatBuffers message


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One payload, told.

    `schema` is "-" where there is none, `text` one printable line, `problem` why it is no valid message of a known schema ("" if
    it is one), `value` what its decoder made of it.
    """

    schema: str
    source: str = ""
    text: str
    problem: str = ""
    value: Any = None


def tell(payload: bytes | None) -> Payload:
    """Return what a payload is; no byte string raises."""
    if payload is None:
        return Payload(schema="-", text="no payload (tombstone)")
    name = schema_of(payload)
    decoder = DECODERS.get(name)
    if decoder is None:
        return _junk("-" if name == "-" else printable(name), payload, _no_schema(name, payload))
    try:
        value = decoder(payload)
    except WireError as error:
        return _junk(name, payload, f"no valid {name}: {printable(error.problem)}")
    return Payload(schema=name, source=printable(source_of(value)), text=line_of(value), value=value)


def schema_of(payload: bytes) -> str:
    """Return the four characters that name a schema, known or not; "-" where there are none that could."""
    try:
        name = schema_id(payload)
    except WireError:
        return "-"
    return name if name in DECODERS or (name.isascii() and name.isalnum()) else "-"


def _no_schema(name: str, payload: bytes) -> str:
    if len(payload) < 8:
        return "too short for a message" if payload else "empty"
    return "no schema id" if name == "-" else f"unknown schema {name!r}"


def _junk(schema: str, payload: bytes, problem: str) -> Payload:
    try:
        text = getincrementaldecoder("utf-8")().decode(payload[:_SHOWN])  # incremental: the cut may go through a character
    except UnicodeDecodeError:
        text = ""
    shown = f'"{printable(text)}"' if text and all(c.isprintable() or c in "\n\r\t" for c in text) else hex_head(payload)
    head = f": {shown}" if payload else ""
    return Payload(schema=schema, text=f"{problem}; {size(len(payload))}{head}", problem=problem)
