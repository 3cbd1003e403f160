"""A protocol file taken apart: its protocols with their commands, handlers and variables; arguments are not yet put in.

A protocol takes over the variables and handlers that stand above it in the file, not those below. A protocol named within another one
brings its commands only.
Source: docs/reference/contracts/ioc.md, "Protocol files".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from testbeam.wire.streamdevice.tokens import Scanner, Source, Token

COMMANDS = ("in", "out", "wait", "event", "exec", "connect", "disconnect")
HANDLERS = ("@init", "@mismatch", "@writetimeout", "@replytimeout", "@readtimeout")

Value = tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it is written: its name and the tokens of its argument."""

    name: Token
    arguments: Value


@dataclass(slots=True)
class Definition:
    """One protocol, or what stands outside of all."""

    name: str
    source: Source
    at: int
    commands: list[Command] = field(default_factory=list)
    handlers: dict[str, list[Command]] = field(default_factory=dict)
    variables: dict[str, Value] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)  # variables and handlers that are set within it

    def below(self, name: Token) -> "Definition":
        """Return a protocol that begins with what is set here."""
        return Definition(name.text, name.source, name.at, handlers=dict(self.handlers), variables=dict(self.variables))


@dataclass(frozen=True, slots=True)
class ProtocolFile:
    """The protocols of a file by their names in lower case."""

    source: Source
    protocols: Mapping[str, Definition]


def parse_file(name: str, data: bytes) -> ProtocolFile:
    """Take a protocol file apart.

    Raises:
        ProtocolError: it breaks the grammar.
    """
    return _Parser(Source(name, data.decode("latin-1"))).file()


class _Parser:
    """Goes through a file once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._scanner = Scanner(source)
        self._protocols: dict[str, Definition] = {}

    def file(self) -> ProtocolFile:
        outside = Definition("", self._source, 0)
        while (token := self._significant()).kind != "end":
            self._outside(outside, token)
        return ProtocolFile(self._source, self._protocols)

    def _outside(self, outside: Definition, token: Token) -> None:
        self._expect_name(token, "a protocol, a handler or a variable")
        after = self._scanner.name()
        if after.text == "=":
            self._assign(outside, token)
        elif after.text == "{" and token.text.startswith("@"):
            self._handler(outside, token)
        elif after.text == "{":
            self._protocol(outside, token)
        else:
            raise after.error(f"'=' or '{{' is expected after {token.text!r}; commands stand within a protocol")

    def _protocol(self, outside: Definition, name: Token) -> None:
        if name.text in self._protocols:
            first = self._protocols[name.text]
            raise name.error(f"protocol {name.text!r} is already defined in line {self._source.line(first.at)}")
        protocol = outside.below(name)
        for token in self._block(name):
            self._statement(protocol, protocol.commands, token)
        self._protocols[name.text] = protocol

    def _handler(self, protocol: Definition, name: Token) -> None:
        if name.text not in HANDLERS:
            raise name.error(f"there is no handler {name.text}; the handlers are {', '.join(HANDLERS)}")
        commands: list[Command] = []
        protocol.handlers[name.text] = commands
        protocol.own.add(name.text)
        for token in self._block(name):
            self._statement(None, commands, token)

    def _block(self, name: Token) -> Iterator[Token]:
        while (token := self._significant()).text != "}" or token.kind != "mark":
            if token.kind == "end":
                raise name.error(f"{name.text!r} has no closing '}}' up to the end of the file")
            yield token

    def _statement(self, protocol: Definition | None, commands: list[Command], token: Token) -> None:
        """Read one statement of a protocol, or of a handler (`protocol` is None)."""
        self._expect_name(token, "a command")
        after = self._scanner.name()
        if after.text == "=" and after.kind == "mark":
            if protocol is None:
                raise token.error(f"variables such as {token.text!r} can't be set within a handler")
            self._assign(protocol, token)
        elif after.text == "{" and after.kind == "mark":
            if protocol is None or not token.text.startswith("@"):
                raise token.error(f"{token.text!r} can't be defined here; a '}}' is missing above, or a ';' before it")
            self._handler(protocol, token)
        elif token.text in self._protocols and after.text in (";", "}") and after.kind == "mark":
            commands.extend(self._protocols[token.text].commands)
            self._end(after)
        else:
            self._command(commands, token, after)

    def _command(self, commands: list[Command], name: Token, after: Token) -> None:
        if name.text.startswith("@"):
            raise after.error(f"'{{' is expected after handler {name.text}")
        if name.text not in COMMANDS:
            raise name.error(f"there is no command {name.text!r}, and no protocol of that name above; commands are {', '.join(COMMANDS)}")
        self._scanner.back(name.at + len(name.text))
        commands.append(Command(name, self._value(name)))

    def _assign(self, protocol: Definition, name: Token) -> None:
        value = tuple(part for token in self._value(name) for part in _resolved(protocol, token))
        protocol.variables[name.text] = value
        protocol.own.add(name.text)

    def _value(self, name: Token) -> Value:
        tokens = []
        while (token := self._scanner.value()).kind != "mark" or token.text not in ";}":
            if token.kind == "end":
                raise name.error(f"there is no ';' after {name.text!r} up to the end of the file")
            if token.kind == "mark" and token.text in "{=":
                raise token.error(f"{token.text!r} is not expected here; a ';' or a quote may be missing before it")
            tokens.append(token)
        self._end(token)
        return tuple(tokens)

    def _end(self, token: Token) -> None:
        """Leave a closing brace, which may stand for the last ';', to the block it ends."""
        if token.text == "}":
            self._scanner.back(token.at)

    def _significant(self) -> Token:
        while (token := self._scanner.name()).kind == "mark" and token.text in ";,":
            pass
        return token

    def _expect_name(self, token: Token, what: str) -> None:
        if token.kind != "word" or not (token.text[0].isalpha() or token.text[0] in "@_"):
            raise token.error(f"the name of {what} is expected here, not {token.text!r}")


def _resolved(protocol: Definition, token: Token) -> Value:
    """Return what a variable stands for at this place of the file; arguments $0 to $9 are left for later."""
    if token.kind != "variable" or token.text.isdigit() or token.quoted or token.text not in protocol.variables:
        return (token,)
    return protocol.variables[token.text]
