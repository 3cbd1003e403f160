"""One Kafka message as a line, or as a JSON object."""

from typing import Any

from testbeam.wire.kafka.message import KafkaMessage
from testbeam.wire.readable.payload import Payload, tell
from testbeam.wire.readable.texts import bytes_text, hex_dump, printable, time_ms
from testbeam.wire.readable.tree import as_json


def line(message: KafkaMessage, *, topic: bool = False) -> str:
    """Return time, place, key, schema, source and what it says; with `topic`, its name too."""
    said = tell(message.value)
    named = f"{printable(message.topic)}  " if topic else ""
    junk = "JUNK  " if said.problem else ""
    head = f"{time_ms(message.timestamp_ms)}  {named}{message.place:<10}  {bytes_text(message.key)}  {said.schema}  {said.source or '-'}"
    headers = f"  [{len(message.headers)} headers]" if message.headers else ""
    return f"{head}  {junk}{said.text}{headers}"


def tree(message: KafkaMessage, *, full: bool = False) -> dict[str, Any]:
    """Return the message as what `json.dumps` takes; `value` is null and `problem` says why where the payload is junk."""
    said = tell(message.value)
    return {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "time": time_ms(message.timestamp_ms),
        "timestamp_ms": message.timestamp_ms,
        "timestamp_type": message.timestamp_kind,
        "key": None if message.key is None else bytes_text(message.key, len(message.key)),
        "headers": [[name, None if value is None else bytes_text(value, len(value))] for name, value in message.headers],
        **payload_tree(message.value, said, full=full),
    }


def payload_tree(payload: bytes | None, said: Payload | None = None, *, full: bool = False) -> dict[str, Any]:
    """Return what a payload says as what `json.dumps` takes, with its bytes in hex where it is junk."""
    said = said or tell(payload)
    facts: dict[str, Any] = {"bytes": len(payload or b""), "schema": said.schema, "source": said.source, "text": said.text}
    if said.problem:
        return facts | {
            "problem": said.problem,
            "hex": as_json(payload, full=full),
            "dump": hex_dump(payload or b"", full=full),
            "value": None,
        }
    return facts | {"value": as_json(said.value, full=full)}
