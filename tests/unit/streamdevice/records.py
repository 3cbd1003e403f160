"""Records that hold one value, or one for each field, in place of those of an IOC."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from testbeam.errors import ConversionError
from testbeam.wire.streamdevice import compile_protocol, parse_file
from testbeam.wire.streamdevice.conversation import Answer, Conversation, Mode, Read, Result, Write
from testbeam.wire.streamdevice.formats import Format, Type, Value
from testbeam.wire.streamdevice.matching import Scan


@dataclass(slots=True)
class HeldRecord:
    """A record of one value, with other fields by their names."""

    value: Value | list[Value] = 0
    fields: dict[str, Value] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    name: str = "REC"
    array: bool = False

    def values(self, fmt: Format) -> Iterable[Value]:
        value = self.fields[fmt.field] if fmt.field else self.value
        many = value if isinstance(value, list) else [value]
        if any(isinstance(one, bytes) != (fmt.converter.type is Type.STRING) for one in many):
            raise ConversionError("the record has another type")
        return many

    def accept(self, fmt: Format, scan: Scan) -> bool:
        if self.array and not fmt.field:
            found = []
            while (value := scan.take()) is not None:
                found.append(value)
            self.value = found
            return bool(found)
        value = scan.take()
        if value is None:
            return False
        if fmt.field:
            self.fields[fmt.field] = value
        else:
            self.value = value
        return True

    def report(self, message: str) -> None:
        self.messages.append(message)


def talk(
    text: str, name: str, record: HeldRecord, *replies: bytes | Result, arguments: tuple[str, ...] = (), mode: Mode = Mode.NORMAL
) -> tuple[Result, list[bytes]]:
    """Run a protocol against these replies; return how it ended and what it wrote."""
    program = compile_protocol(parse_file("test.proto", text.encode("latin-1")), name, arguments, field=lambda field_name: field_name)
    running, written, left = Conversation(program, record, mode).run(), [], list(replies)
    answer = None
    try:
        while True:
            request = running.send(answer) if answer else next(running)
            answer = Answer()
            if isinstance(request, Write):
                written.append(request.data)
            elif isinstance(request, Read):
                reply = left.pop(0) if left else Result.REPLY_TIMEOUT
                answer = Answer(data=reply) if isinstance(reply, bytes) else Answer(result=reply)
    except StopIteration as end:
        return end.value, written
