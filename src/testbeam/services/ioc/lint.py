"""Lint of an IOC before it runs: its start-up files, databases and protocols held against each other.

Nothing is run and base is not loaded: only its definitions are read.
Source: docs/reference/ioc-lint.md.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from testbeam.errors import ConversionError, ProtocolError, StackError
from testbeam.services.ioc import database_grammar, database_text
from testbeam.services.ioc.database_text import TextRecord
from testbeam.services.ioc.known_commands import ACCEPTED, CREATES_PORT, DONE, REGISTER_SUFFIX, UNSUPPORTED, why_not
from testbeam.services.ioc.project import Project
from testbeam.services.ioc.record_modules import needed
from testbeam.services.ioc.startup import SUBSTITUTIONS, open_quote, parse_macros
from testbeam.services.ioc.stream.connections import Neighbourhood, internet
from testbeam.services.ioc.substitutions import parse_substitutions
from testbeam.wire.streamdevice import Link, Program, ProtocolFile, compile_protocol, parse_file, parse_link
from testbeam.wire.streamdevice.coding import show
from testbeam.wire.streamdevice.converters.enums import Choices
from testbeam.wire.streamdevice.converters.strings import Text
from testbeam.wire.streamdevice.formats import Element, Format, Type
from testbeam.wire.streamdevice.program import Command, In, Out

ERROR, WARNING = "error", "warning"
_DEEPEST = 20
_LEAST = {  # arguments
    **dict.fromkeys(("drvAsynIPPortConfigure", "drvAsynSerialPortConfigure", "epicsEnvSet", "dbpf", "create_monitor_set"), 2),
    **dict.fromkeys(("dbLoadRecords", "dbLoadTemplate", "iocshLoad", "asSetFilename"), 1),
}

_LINE = re.compile(r"\s*(?P<name>[^\s(,\"'<>#]+)[\s(,]*(?P<rest>.*?)\)?\s*$")
_INCLUDE = re.compile(r"\s*<\s*[\"']?(?P<file>[^\"'\s]+)")
_WORD = re.compile(r'"((?:\\.|[^"\\])*)"|\'([^\']*)\'|([^\s,"\']+)')
_FIELD = re.compile(r"^\s*field\s*\(\s*(\w+)\s*,", re.MULTILINE)
_DEVICE = re.compile(r'device\s*\(\s*(\w+)\s*,\s*\w+\s*,\s*\w+\s*,\s*"([^"]+)"\s*\)')
_NUMBERS = (Type.SIGNED, Type.UNSIGNED)
_WHOLE = (*_NUMBERS, Type.ENUM)
_ANALOGUE = (Type.DOUBLE, *_NUMBERS)
_TAKES: dict[str, tuple[Type, ...]] = {
    **dict.fromkeys(("ai", "ao"), _ANALOGUE),
    "calcout": (*_ANALOGUE, Type.ENUM),
    **dict.fromkeys(("longin", "longout", "int64in", "int64out"), _WHOLE),
    **dict.fromkeys(("bi", "bo", "mbbi", "mbbo"), (*_WHOLE, Type.STRING)),
    **dict.fromkeys(("mbbiDirect", "mbboDirect"), _NUMBERS),
    **dict.fromkeys(("stringin", "stringout", "lsi", "lso"), (Type.STRING,)),
}
_ARRAYS = ("waveform", "aai", "aao")
_LINKS = {"INP": ("ai", "bi", "mbbi", "mbbiDirect", "longin", "int64in", "stringin", "lsi", "waveform", "aai")}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One thing that is wrong, or may be."""

    file: str
    line: int
    level: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.level}: {self.message}"


@dataclass(slots=True)
class Used:
    """A protocol as a record uses it."""

    record: TextRecord
    link: Link
    program: Program
    file: Path


@dataclass(slots=True)
class Definitions:
    """What base defines: record types, device types and fields for each; a type without fields here has any."""

    types: frozenset[str]
    devices: frozenset[tuple[str, str]]
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> "Definitions":
        """Read the definitions in a folder of base."""
        types = frozenset(path.name.removesuffix("Record.dbd") for path in folder.glob("*Record.dbd"))
        devices = frozenset(
            (kind, name) for path in folder.glob("*.dbd") for kind, name in _DEVICE.findall(path.read_text(errors="replace"))
        )
        common = frozenset(_FIELD.findall((folder / "dbCommon.dbd").read_text(errors="replace")))
        fields = {kind: common | frozenset(_FIELD.findall((folder / f"{kind}Record.dbd").read_text(errors="replace"))) for kind in types}
        return cls(types, devices, fields)


def scripts(path: Path) -> list[Path]:
    """Return the start-up files that are meant: the file itself, or those below a folder's iocBoot.

    Raises:
        StackError: there is none.
    """
    if path.is_file():
        return [path]
    found = sorted(set(path.glob("**/iocBoot/**/st*.cmd")) | set(path.glob("st*.cmd")))
    if not found:
        raise StackError(f"{path} has no start-up file (iocBoot/…/st.cmd); give the file itself")
    return found


class Lint:
    """Looks at one start-up file and all that it loads."""

    def __init__(self, script: Path, definitions: Definitions) -> None:
        self.findings: list[Finding] = []
        self._project = Project(script)
        self._definitions = definitions
        self._variables = dict(self._project.environment())
        self._ports: set[str] = set()
        self._records: dict[str, TextRecord] = {}
        self._files: dict[str, tuple[Path, ProtocolFile] | None] = {}
        self._used: list[Used] = []
        self._script = script.absolute()
        self._folder = self._script.parent
        self._names: dict[str, set[str]] = {}  # protocol file → protocols that a link names

    def run(self) -> list[Finding]:
        """Return everything that is found, in order of files and lines."""
        self._startup(self._script, {}, 0)
        for record in self._records.values():
            self._record(record)
        self._unread_replies()
        self._never_used()
        return sorted(set(self.findings))

    def _find(self, file: Path, line: int, level: str, message: str) -> None:
        try:
            shown = str(file.absolute().relative_to(self._project.top))
        except ValueError:
            shown = str(file)
        self.findings.append(Finding(file=shown, line=line, level=level, message=message))

    # --- start-up files ---

    def _startup(self, path: Path, macros: dict[str, str], depth: int) -> None:
        if depth > _DEEPEST:
            return
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            stripped = line.strip()
            if not stripped or stripped.startswith("#"):
                continue
            if stripped in ("exit", "exit()"):
                return
            expanded = database_text.expand(stripped, {**self._variables, **macros})
            for name in expanded.unset:
                self._find(path, number, ERROR, f"macro {name} has no value; iocsh does not run this line")
            if not expanded.unset:
                self._command(path, number, expanded.text, macros, depth)
            elif (made := _LINE.match(expanded.text)) is not None and made["name"] in CREATES_PORT:
                self._ports.add(_first_word(made["rest"]))  # told already: its records are not all at fault, too

    def _command(self, path: Path, number: int, text: str, macros: dict[str, str], depth: int) -> None:
        include = _INCLUDE.match(text)
        if include:
            self._include(path, number, include["file"], macros, depth)
            return
        match = _LINE.match(text)
        if match is None:
            return
        name = match["name"]
        if problem := open_quote(text):
            self._find(path, number, ERROR, problem)
            return
        words = [next((part for part in word if part), "") for word in _WORD.findall(match["rest"])]
        first, second = (*words, "", "")[:2]
        if len(words) < (least := _LEAST.get(name, 0)):
            self._find(path, number, ERROR, f"{name} needs {least} argument{'s' * (least > 1)}, and has {len(words)}")
            return
        if name in ("dbLoadRecords", "dbLoadTemplate"):
            self._load(path, number, first, dict(parse_macros(second)), of_substitutions=name == "dbLoadTemplate")
        elif name == "epicsEnvSet":
            self._variables[first] = second
        elif name == "iocshLoad":
            self._include(path, number, first, {**macros, **dict(parse_macros(second))}, depth)
        elif name in CREATES_PORT:
            self._port(path, number, name, first, second)
        elif name in ("cd", "chdir"):
            self._folder = (self._folder / first).resolve()
        else:
            self._other(path, number, name)

    def _port(self, path: Path, number: int, command: str, name: str, target: str) -> None:
        self._ports.add(name)
        try:
            if command == "drvAsynIPPortConfigure":
                internet(target, Neighbourhood(local_host="", replaced={}))
        except ConversionError as error:
            self._find(path, number, ERROR, f"{command}: {error}")

    def _other(self, path: Path, number: int, name: str) -> None:
        if name in UNSUPPORTED:
            self._find(path, number, ERROR, f"{name}: {UNSUPPORTED[name]}")
        elif name not in DONE and name not in ACCEPTED and not name.endswith(REGISTER_SUFFIX):
            why = why_not(name)
            self._find(path, number, WARNING, f"{name}: {why}" if why else f"unknown command {name}; iocsh prints that and goes on")

    def _include(self, path: Path, number: int, name: str, macros: dict[str, str], depth: int) -> None:
        found = self._locate(name)
        if found is not None:
            self._startup(found, macros, depth + 1)
        elif Path(name).name not in ("envPaths", "cdCommands"):
            self._find(path, number, ERROR, f"there is no file {name} in this tree")

    def _locate(self, name: str) -> Path | None:
        beside = self._folder / name
        return beside if beside.is_file() else self._project.find(name)

    # --- databases ---

    def _load(self, path: Path, number: int, name: str, macros: dict[str, str], *, of_substitutions: bool) -> None:
        found = self._locate(name)
        if found is None:
            self._find(path, number, ERROR, f"there is no file {name} in this tree; its records are missing")
        elif of_substitutions or found.suffix in SUBSTITUTIONS:
            self._substitutions(found, macros)
        else:
            self._database(found, macros)

    def _substitutions(self, found: Path, macros: dict[str, str], depth: int = 0) -> None:
        if depth > _DEEPEST:
            self._find(found, 1, ERROR, "it expands itself")
            return
        try:
            expansions = parse_substitutions(found)
        except StackError as error:
            self._find(found, 1, ERROR, str(error))
            return
        for expansion in expansions:
            template = database_text.expand(expansion.template, {**self._variables, **macros}).text
            beside = found.parent / template
            file = beside if beside.is_file() else self._locate(template)
            if file is None:
                self._find(found, expansion.line, ERROR, f"there is no file {template} in this tree; its records are missing")
                continue
            own = {key: database_text.expand(value, macros).text for key, value in expansion.macros}
            if file.suffix in SUBSTITUTIONS:
                self._substitutions(file, {**macros, **own}, depth + 1)
            else:
                self._database(file, {**macros, **own})

    def _database(self, file: Path, macros: dict[str, str]) -> None:
        expanded = database_text.expand(file.read_text(errors="replace"), {**self._variables, **macros})
        for name, line in expanded.unset.items():
            self._find(file, line, ERROR, f"macro {name} has no value")
        broken = database_grammar.fault(expanded.text) if not expanded.unset else None
        if broken is not None:
            self._find(file, broken.line, ERROR, str(broken))
        for record in database_text.records(file, expanded.text):
            known = self._records.get(record.name)
            if known is not None and known.type == record.type:
                known.fields.update(record.fields)
            else:
                self._records[record.name] = record

    # --- records ---

    def _record(self, record: TextRecord) -> None:
        if record.type not in self._definitions.types and record.type != "*":
            what = "an asynRecord" if record.type == "asyn" else f"of type {record.type}"
            why = f"which base does not have; it is left out here, as it needs {needed(record.type)}"
            self._find(record.file, record.line, ERROR, f"record {record.name} is {what}, {why}")
            return
        self._field_names(record)
        dtyp, line = record.fields.get("DTYP", ("", record.line))
        if dtyp == "stream":
            self._stream_record(record)
        elif dtyp and (record.type, dtyp) not in self._definitions.devices:
            near = sorted(name for kind, name in self._definitions.devices if kind == record.type)
            self._find(
                record.file,
                line,
                ERROR,
                f"record {record.name}: there is no DTYP {dtyp!r} for {record.type}; there are stream, {', '.join(near)}",
            )

    def _field_names(self, record: TextRecord) -> None:
        known = self._definitions.fields.get(record.type, frozenset())
        for name, (_, line) in record.fields.items():
            if known and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                self._find(record.file, line, ERROR, f"record {record.name}: a record of type {record.type} has no field {name}{hint}")

    def _stream_record(self, record: TextRecord) -> None:
        field_name = "INP" if record.type in _LINKS["INP"] else "OUT"
        if record.type not in _TAKES and record.type not in _ARRAYS:
            self._find(record.file, record.line, ERROR, f"record {record.name}: records of type {record.type} have no DTYP stream")
            return
        text, line = record.fields.get(field_name, ("", record.line))
        if "<" in text and ">" in text:
            return  # a macro without a value, which is told already
        try:
            if text and not text.startswith("@"):
                raise ConversionError(f"the link {text!r} does not begin with '@'")
            link = parse_link(text.removeprefix("@"))
            program, file = self._program(record, link)
        except (ConversionError, ProtocolError, StackError) as error:
            self._find(record.file, line, ERROR, f"record {record.name}.{field_name}: {error}")
            return
        self._used.append(Used(record, link, program, file))
        self._formats(record, program, file)

    def _program(self, record: TextRecord, link: Link) -> tuple[Program, Path]:
        found = self._protocol_file(link.file)
        if found is None:
            raise StackError(
                f"there is no protocol file {link.file!r} in {self._variables.get('STREAM_PROTOCOL_PATH', '.')} or in this tree"
            )
        self._names.setdefault(link.file, set()).add(link.protocol.lower())
        if link.port not in self._ports:
            raise StackError(f"there is no port {link.port!r}; the start-up file makes {', '.join(sorted(self._ports)) or 'none'}")
        return compile_protocol(found[1], link.protocol, link.arguments, lambda field: self._field(record, field)), found[0]

    def _field(self, record: TextRecord, name: str) -> object:
        """See that a format names a field of the record, or another record that is loaded."""
        other = name.partition(".")[0]
        if other in self._records or ("." not in name and name.isupper() and len(name) <= 4):
            return name
        raise ConversionError(f"neither record {record.name} has a field {name!r}, nor is there a record {other!r}")

    def _protocol_file(self, name: str) -> tuple[Path, ProtocolFile] | None:
        if name not in self._files:
            paths = self._variables.get("STREAM_PROTOCOL_PATH", ".").replace(";", ":").split(":")
            path = next((found for folder in paths if (found := self._folder / folder / name).is_file()), None) or self._locate(name)
            self._files[name] = None if path is None else (path, self._parsed(path))
        return self._files[name]

    def _parsed(self, path: Path) -> ProtocolFile:
        return parse_file(str(path), path.read_bytes())

    # --- protocols ---

    def _formats(self, record: TextRecord, program: Program, file: Path) -> None:
        for command in (*program.commands, *(one for handler in program.handlers.values() for one in handler)):
            if isinstance(command, In | Out):
                for problem in self._problems(record, command):
                    self._find(file, command.line, ERROR, f"protocol {program.name} with record {record.name}: {problem}")

    def _problems(self, record: TextRecord, command: In | Out) -> Iterator[str]:
        takes = _TAKES.get(record.type) or _array_types(record)
        for element in command.elements:
            if isinstance(element, Format) and element.field is None and not element.spec.skip:
                kind = element.converter.type
                if kind not in (Type.PSEUDO, Type.CHECKSUM) and kind not in takes:
                    yield f"%{element.text} is of type {kind.value}, which a record of type {record.type} does not take"
        if isinstance(command, In):
            yield from never_matching(command.elements)

    def _unread_replies(self) -> None:
        """Find protocols that end with an `out` although others on their port read replies: the answer would be taken for another's."""
        answering = {used.link.port for used in self._used if _reads(used.program.commands)}
        for used in self._used:
            last = used.program.commands[-1] if used.program.commands else None
            if used.link.port in answering and isinstance(last, Out):
                sent = _shown(last.elements)
                self._find(
                    used.file,
                    last.line,
                    WARNING,
                    f'protocol {used.program.name} does not read what the device answers to "{sent}" (record {used.record.name}); other '
                    f'protocols on port {used.link.port} do, and would get that answer; if the device answers, add  in "…";',
                )

    def _never_used(self) -> None:
        for name, found in self._files.items():
            if found is None:
                continue
            path, file = found
            used = set(self._names.get(name, set()))
            text = file.source.text.lower()
            for protocol, definition in file.protocols.items():
                if protocol not in used and not re.search(rf"[{{;]\s*{re.escape(protocol)}\s*[;}}]", text):
                    self._find(path, file.source.line(definition.at), WARNING, f"protocol {protocol} is used by no record")


def _first_word(text: str) -> str:
    return next((part for word in _WORD.findall(text) for part in word if part), "")


def _array_types(record: TextRecord) -> tuple[Type, ...]:
    element = record.fields.get("FTVL", ("STRING" if record.type == "waveform" else "DOUBLE", 0))[0]
    if element in ("CHAR", "UCHAR"):
        return (*_WHOLE, Type.STRING, Type.DOUBLE)
    return (Type.STRING,) if element == "STRING" else (*_WHOLE, Type.DOUBLE)


def _reads(commands: tuple[Command, ...]) -> bool:
    """Tell whether an answer is read: an `in` that comes after an `out`."""
    return any(isinstance(later, In) for index, command in enumerate(commands) if isinstance(command, Out) for later in commands[index:])


def _shown(elements: tuple[Element, ...]) -> str:
    return "".join(show(part) if isinstance(part, bytes) else f"%{part.text}" if isinstance(part, Format) else "" for part in elements)


def never_matching(elements: tuple[Element, ...]) -> Iterator[str]:
    """Yield what in a string of formats can never match."""
    for element, following in pairwise(elements):
        greedy = isinstance(element, Format) and isinstance(element.converter, Text) and not element.spec.width
        if greedy and isinstance(following, bytes) and not following[:1].isspace() and isinstance(element, Format):
            if not element.spec.alternate:
                yield f'%{element.text} takes everything up to white space, so that "{show(following)}" behind it never matches'
            else:
                yield f'%{element.text} takes everything, so that "{show(following)}" behind it never matches'
    for element in elements:
        if isinstance(element, Format) and isinstance(element.converter, Choices):
            yield from _shadowed(element.converter)


def _shadowed(choices: Choices) -> Iterator[str]:
    strings = [bytes(unit & 0xFF for unit in choice.units) for choice in choices.choices]
    for index, text in enumerate(strings):
        for later in strings[index + 1 :]:
            if later.startswith(text) and later != text:
                yield f'"{show(later)}" is never found, because "{show(text)}" stands before it and is its begin'
