"""Program from a protocol of a file: arguments and variables put in, strings coded, formats made.

Source: docs/reference/contracts/ioc.md, "Protocols".
"""

from collections.abc import Callable, Sequence

from testbeam.errors import ConversionError, ProtocolError
from testbeam.wire.streamdevice import converters
from testbeam.wire.streamdevice.coding import BLANKS, Scope, Units, code, number, plain_bytes
from testbeam.wire.streamdevice.formats import Element, elements
from testbeam.wire.streamdevice.program import Command, Connect, Disconnect, Execute, In, Out, Program, Settings, Wait
from testbeam.wire.streamdevice.protocol_file import Command as WrittenCommand
from testbeam.wire.streamdevice.protocol_file import Definition, ProtocolFile, Value

FindField = Callable[[str], object]

_NUMBERS = {
    "locktimeout": "lock_timeout_ms",
    "writetimeout": "write_timeout_ms",
    "replytimeout": "reply_timeout_ms",
    "readtimeout": "read_timeout_ms",
    "maxinput": "max_input",
}

assert converters.__all__  # importing them registers the formats


def compile_protocol(file: ProtocolFile, name: str, arguments: Sequence[str] = (), field: FindField | None = None) -> Program:
    """Return the program of a protocol; `field` finds the fields that formats name.

    Raises:
        ProtocolError: there is no such protocol, or it is wrong; names file and line.
    """
    definition = file.protocols.get(name.lower())
    if definition is None:
        known = ", ".join(sorted(file.protocols)) or "none"
        raise ProtocolError(file.source.file, 1, f"there is no protocol {name!r} in this file; there are: {known}")
    return _Compiler(definition, (definition.name, *arguments), field).program()


class _Compiler:
    """Compiles one protocol."""

    def __init__(self, definition: Definition, arguments: tuple[str, ...], field: FindField | None) -> None:
        self.definition = definition
        self.field = field
        self._scope = Scope(definition, arguments)

    def program(self) -> Program:
        return Program(
            name=self.definition.name,
            commands=self._commands(self.definition.commands),
            handlers={name: self._commands(commands) for name, commands in self.definition.handlers.items()},
            settings=self._settings(),
        )

    def _commands(self, written: Sequence[WrittenCommand]) -> tuple[Command, ...]:
        return tuple(self._command(command) for command in written)

    def _command(self, command: WrittenCommand) -> Command:
        name, arguments = command.name.text, command.arguments
        line = command.name.source.line(command.name.at)
        if name in ("in", "out", "exec"):
            parts = self._elements(command)
            return In(parts, line) if name == "in" else Out(parts, line) if name == "out" else Execute(parts)
        if name == "event":
            raise command.name.error("events are not supported by the ports of this IOC (TCP and serial lines have none)")
        if name == "disconnect":
            if arguments:
                raise arguments[0].error("'disconnect' takes no argument")
            return Disconnect()
        ms = number(arguments, self._scope, command.name)
        return Wait(ms) if name == "wait" else Connect(ms)

    def _elements(self, command: WrittenCommand) -> tuple[Element, ...]:
        units = code(command.arguments, self._scope)
        try:
            return elements(units, reading=command.name.text == "in", address=self.field)
        except ConversionError as error:
            raise (command.arguments or (command.name,))[0].error(str(error)) from None

    def _settings(self) -> Settings:
        variables = self.definition.variables
        values: dict[str, int] = {}
        for name, field in _NUMBERS.items():
            if name in variables:
                values[field] = self._number(name)
        if "replytimeout" in variables:
            values["poll_period_ms"] = values["reply_timeout_ms"]
        if "pollperiod" in variables:
            values["poll_period_ms"] = self._number("pollperiod")
        return Settings(
            **values,
            in_terminator=self._terminator("interminator"),
            out_terminator=self._terminator("outterminator"),
            separator=self._separator(),
            ignore_extra_input=self._extra_input(),
        )

    def _number(self, name: str) -> int:
        value = self.definition.variables[name]
        if not value:
            raise self.definition.source.error(self.definition.at, f"variable {name!r} of protocol {self.definition.name!r} has no value")
        return number(value, self._scope, value[0])

    def _terminator(self, name: str) -> bytes | None:
        variables = self.definition.variables
        value = variables.get(name, variables.get("terminator"))
        return None if value is None else plain_bytes(code(value, self._scope))

    def _separator(self) -> Units:
        units = code(self.definition.variables.get("separator", ()), self._scope)
        return (BLANKS, *units[1:]) if units[:1] == (ord(" "),) else units

    def _extra_input(self) -> bool:
        value: Value = self.definition.variables.get("extrainput", ())
        text = "".join(token.text for token in value).lower()
        if text not in ("", "error", "ignore"):
            raise value[0].error(f"ExtraInput is Error or Ignore, not {text!r}")
        return text == "ignore"
