"""Payloads told: the schema, JSON or text of a message, its source and what it says; or why it is junk."""

import json
from codecs import getincrementaldecoder
from dataclasses import dataclass
from typing import Any

from testbeam.errors import WireError
from testbeam.wire.flatbuffers.registry import DECODERS, schema_id
from testbeam.wire.readable.texts import hex_head, printable, size
from testbeam.wire.readable.values import line_of, source_of

JSON, TEXT = "json", "text"  # instead of a schema's id, where a payload is no FlatBuffers message
_SHOWN = 60  # bytes of a text that is no FlatBuffers message
_LINE = 120  # characters of JSON or text in a line
_NAME = 60
_PEEK = 256  # bytes by which a list of topics tells text from bytes
_JSON_MOST = 8 << 20  # characters of a text that is tried as JSON
_SPACES = "\n\r\t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One payload, told.

    `schema` is "json" or "text" for a payload of that kind and "-" where there is none; `text` is one printable line, `problem` why it
    is junk ("" if it is not), `value` what its decoder made of it.
    """

    schema: str
    source: str = ""
    text: str
    problem: str = ""
    value: Any = None


def tell(payload: bytes | None) -> Payload:
    """Return what a payload is: a message of a known schema, JSON, text, or junk; no byte string raises."""
    if payload is None:
        return Payload(schema="-", text="no payload (tombstone)")
    name = schema_of(payload)
    decoder = DECODERS.get(name)
    if decoder is None:
        return _foreign(payload) or _junk("-" if name == "-" else printable(name), payload, _no_schema(name, payload))
    try:
        value = decoder(payload)
    except WireError as error:
        return _foreign(payload) or _junk(name, payload, f"no valid {name}: {printable(error.problem)}")
    return Payload(schema=name, source=printable(source_of(value)), text=line_of(value), value=value)


def _foreign(payload: bytes) -> Payload | None:
    """Return what a payload of another kind than FlatBuffers says: JSON, or UTF-8 text; None if it is neither."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return None
    if not text.strip() or not all(c.isprintable() or c in _SPACES for c in text):
        return None
    value = _json_of(text) if text.lstrip()[0] in "{[" else None
    if value is None:
        return Payload(schema=TEXT, text=f'{size(len(payload))}: "{printable(text, _LINE)}"', value=text)
    return Payload(schema=JSON, source=printable(_named(value), _NAME), text=printable(" ".join(text.split()), _LINE), value=value)


def _json_of(text: str) -> Any:
    try:
        return json.loads(text) if len(text) <= _JSON_MOST else None
    except (ValueError, RecursionError):
        return None


def _named(value: Any) -> str:
    """Return whom JSON speaks of, by the names that messages of the field have for it."""
    found = (value.get(name) for name in ("source_name", "source", "service_id", "job_id", "device")) if isinstance(value, dict) else ()
    return next((one for one in found if isinstance(one, str) and one), "")


def schema_of(payload: bytes) -> str:
    """Return the four characters that name a schema, known or not; "-" where there are none that could."""
    try:
        name = schema_id(payload)
    except WireError:
        return "-"
    return name if name in DECODERS or (name.isascii() and name.isalnum()) else "-"


def kind_of(payload: bytes) -> str:
    """Return a known schema, "json" or "text", or else what `schema_of` finds."""
    name = schema_of(payload)
    if name in DECODERS:
        return name
    foreign = _foreign(payload[:_PEEK]) if payload else None
    if foreign is None:
        return name
    return JSON if payload.lstrip()[:1] in (b"{", b"[") else TEXT


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
