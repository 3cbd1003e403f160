"""Start-up file (`st.cmd`), run line by line as iocsh runs it, from a source tree that has not been built.

A command that iocsh does not know is noted with file and line, and the next one is run. What can't be loaded at all is an error.
Source: docs/reference/contracts/ioc.md, "Start-up files"; iocsh of EPICS base 7.0.10.
"""

import logging
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from testbeam.errors import SettingsError, StackError
from testbeam.services.ioc import c_environment, databases
from testbeam.services.ioc.commands import Shell
from testbeam.services.ioc.database_grammar import marked
from testbeam.services.ioc.databases import Database
from testbeam.services.ioc.known_commands import ACCEPTED, REGISTER_SUFFIX, why_not
from testbeam.services.ioc.project import Project
from testbeam.services.ioc.record_modules import needed
from testbeam.services.ioc.substitutions import parse_substitutions

log = logging.getLogger("ioc")

_NAME = re.compile(r"\s*(?P<name>[^\s(,\"'<>]+)")
_INCLUDE = re.compile(r"\s*<\s*(?P<quote>[\"']?)(?P<file>[^\"'\s]+)(?P=quote)\s*")
_MACRO = re.compile(r"\s*(?P<name>[\w.-]+)\s*=\s*(?P<value>\"(?:\\.|[^\"])*\"|'[^']*'|(?:\\.|[^,\\])*)\s*(?:,|$)")
_REFERENCE = re.compile(r"\$[({](\w+)[)}]")
_DEEPEST = 20
SUBSTITUTIONS = (".substitutions", ".sub", ".subs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that a start-up file asks for and that is not done."""

    file: str
    line: int
    command: str
    why: str
    harmless: bool = False

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.command}: {self.why}"


@dataclass(slots=True)
class Report:
    """What came of a start-up file."""

    notes: list[Note] = field(default_factory=list)
    initialised: bool = False


_UNKNOWN_TYPE = re.compile(r"Record type '[^']*' for record")
LoadRecords = Callable[[Database], None]


class StartUp:
    """One run of a start-up file.

    load: loads one database, or raises. initialise: what `iocInit` does. types: the record types that there are.
    """

    def __init__(self, script: Path, shell: Shell, load: LoadRecords, initialise: Callable[[], None], types: frozenset[str]) -> None:
        self.project = Project(script)
        self.report = Report()
        self._script = script
        self._shell = shell
        self._load = load
        self._initialise = initialise
        self._types = types
        self._place = (str(script), 0)
        self._macros: list[dict[str, str]] = []
        self._depth = 0

    def run(self) -> Report:
        """Run the file, and `iocInit` where it does not.

        Raises:
            StackError: the file can't be read, or a database in it is wrong.
        """
        self._add_commands()
        os.chdir(self._script.absolute().parent)
        for name, value in self.project.environment().items():
            c_environment.set_default(name, value)
        self._run_file(self._script.absolute())
        if not self.report.initialised:
            self._ioc_init([])
        for note in self.report.notes:
            log.log(logging.INFO if note.harmless else logging.WARNING, "not done: %s", note)
        return self.report

    def _add_commands(self) -> None:
        self._shell.add("dbLoadDatabase", self._load_database, "dbLoadDatabase file [path] [macros]")
        self._shell.add("dbLoadRecords", self._load_records, "dbLoadRecords file [macros]")
        self._shell.add("dbLoadTemplate", self._load_template, "dbLoadTemplate file [macros]")
        self._shell.add("iocshLoad", self._ioc_shell_load, "iocshLoad file [macros]")
        self._shell.add("exit", lambda _: None, "exit")
        for name in ACCEPTED:
            if not self._shell.knows(name):
                self._shell.add(name, lambda _: None)

    # --- lines ---

    def _run_file(self, path: Path) -> None:
        try:
            text = path.read_text(errors="surrogateescape")
        except OSError as error:
            raise StackError(f"start-up file {path}: {error.strerror}") from error
        if self._depth >= _DEEPEST:
            raise StackError(f"{path} includes itself")
        place, self._depth = self._place, self._depth + 1
        for number, line in enumerate(text.splitlines(), 1):
            self._place = (str(path), number)
            if self._stops(line):
                break
            self._run_line(line)
        self._place, self._depth = place, self._depth - 1

    def _stops(self, line: str) -> bool:
        return line.strip() in ("exit", "exit()")

    def _run_line(self, line: str) -> None:
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            return
        log.info("%s", stripped)
        expanded = self._expanded(stripped)
        if expanded is None:
            return
        if problem := open_quote(expanded):
            self._note(stripped, problem)
        elif match := _INCLUDE.fullmatch(expanded):
            self._include(match["file"])
        elif match := _NAME.match(expanded):
            self._command(match["name"], expanded)

    def _expanded(self, line: str) -> str | None:
        """Put macros in; one without a value is noted, and the line is not run, as in iocsh."""
        before = {name: c_environment.variable(name) for macros in self._macros for name in macros}
        for macros in self._macros:
            os.environ.update(macros)
        try:
            expanded = self._shell.expand(line)
        finally:
            for name, value in before.items():
                os.environ[name] = value
        if expanded is None:
            unset = [
                name
                for name in _REFERENCE.findall(line)
                if not c_environment.variable(name) and not any(name in known for known in self._macros)
            ]
            self._note(line, f"macro {', '.join(dict.fromkeys(unset)) or 'in it'} has no value; set it in the environment of the IOC")
        return expanded

    def _command(self, name: str, line: str) -> None:
        if name in ("iocInit", "iocInit()"):
            self._ioc_init([])
        elif name.endswith(REGISTER_SUFFIX):
            log.info("%s: record and device support of base and stream is registered already", name)
        elif name in ACCEPTED:
            self._note(name, ACCEPTED[name], harmless=True)
        elif not self._shell.knows(name):
            self._note(name, why_not(name) or "unknown command; iocsh would print that and go on")
        elif not self._shell.run(line):
            self._note(name, f"failed; the reason is above in this log: {line}")

    def _note(self, command: str, why: str, *, harmless: bool = False) -> None:
        self.report.notes.append(Note(file=self._shown(self._place[0]), line=self._place[1], command=command, why=why, harmless=harmless))

    def _shown(self, path: str) -> str:
        try:
            return str(Path(path).relative_to(self.project.top))
        except ValueError:
            return path

    def _include(self, name: str) -> None:
        path = self.project.find(name)
        if path is not None:
            self._run_file(path)
        elif Path(name).name in ("envPaths", "cdCommands"):
            log.info("%s: made from configure/RELEASE, as a build would", name)
            os.environ.update(self.project.environment())
        else:
            self._note(f"< {name}", "there is no such file in this tree")

    # --- commands ---

    def _ioc_init(self, _: Sequence[str]) -> None:
        if not self.report.initialised:
            self.report.initialised = True
            try:
                self._initialise()
            except SettingsError:
                raise StackError(self._no_records()) from None

    def _no_records(self) -> str:
        notes = "".join(f"\n    {note}" for note in self.report.notes if not note.harmless)
        return f"{self._script}: no record is loaded when iocInit is reached; what it asks for and is not done:{notes or ' nothing'}"

    def _ioc_shell_load(self, arguments: Sequence[str]) -> None:
        name, macros = (*arguments, "", "")[:2]
        path = self.project.find(name)
        if path is None:
            self._note(f"iocshLoad {name}", "there is no such file in this tree")
            return
        self._macros.append(dict(parse_macros(macros)))
        try:
            self._run_file(path)
        finally:
            self._macros.pop()

    def _load_database(self, arguments: Sequence[str]) -> None:
        log.info("dbLoadDatabase %s: the definitions of base and stream are loaded already", arguments[0] if arguments else "")

    def _load_records(self, arguments: Sequence[str]) -> None:
        name, macros = (*arguments, "", "")[:2]
        self._load_file(name, parse_macros(macros))

    def _load_template(self, arguments: Sequence[str]) -> None:
        name, macros = (*arguments, "", "")[:2]
        self._load_file(name, parse_macros(macros), of_substitutions=True)

    def _load_file(self, name: str, macros: tuple[tuple[str, str], ...], *, of_substitutions: bool = False) -> None:
        path = self.project.find(name)
        if path is None:
            self._note(f"load {name}", "there is no such file in this tree; its records are missing")
        elif of_substitutions or path.suffix in SUBSTITUTIONS:
            self._load_substitutions(path, macros)
        else:
            self._load_one(Database(path=path, macros=macros))

    def _load_substitutions(self, path: Path, macros: tuple[tuple[str, str], ...], depth: int = 0) -> None:
        if depth >= _DEEPEST:
            raise StackError(f"{path} expands itself")
        for expansion in parse_substitutions(path):
            template = expansion.template
            for name, value in macros:
                template = template.replace(f"$({name})", value).replace(f"${{{name}}}", value)
            beside = path.parent / template
            found = beside if beside.is_file() else self.project.find(template)
            if found is None:
                self._note(f"load {path.name}", f"line {expansion.line} of it names {template}, which is not in this tree")
                continue
            own = (*macros, *self._put_in(expansion.macros, macros))
            if found.suffix in SUBSTITUTIONS:
                self._load_substitutions(found, own, depth + 1)
            else:
                self._load_one(Database(path=found, macros=own))

    def _put_in(self, macros: tuple[tuple[str, str], ...], outer: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """Put the macros that the file was loaded with into those of one expansion."""
        known = dict(outer)
        return tuple((name, re.sub(r"\$[({](\w+)[)}]", lambda match: known.get(match[1], match[0]), value)) for name, value in macros)

    def _load_one(self, database: Database) -> None:
        databases.check(database)
        try:
            self._load(database)
        except StackError as error:
            if _UNKNOWN_TYPE.search(str(error)) is None:
                raise
            self._load_known_types(database)

    def _load_known_types(self, database: Database) -> None:
        """Load a database without its records of types that base does not have; each type is noted."""
        text, left_out = databases.without_types(database.path.read_text(errors="surrogateescape"), self._types)
        for kind, names in left_out.items():
            what = f"records of type {kind} are left out: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}"
            self._note(f"load {database.path.name}", f"{what}; they need {needed(kind)}")
        if not text.strip():
            return
        fd = os.memfd_create(database.path.name)
        try:
            os.write(fd, text.encode(errors="surrogateescape"))
            self._load(Database(path=Path(f"/proc/self/fd/{fd}"), macros=database.macros))
        finally:
            os.close(fd)


def open_quote(line: str) -> str:
    r"""Return that a quote of a line is not closed, with a mark under it, or "" where all are; within quotes, \" closes like "."""
    opened, at = None, 0
    while at < len(line):
        if opened is None and line[at] == "\\":
            at += 1
        elif opened is None and line[at] in "\"'":
            opened = at
        elif opened is not None and line[at] == line[opened]:
            opened = None
        at += 1
    return "" if opened is None else f"a quote is not closed, and iocsh does not run this line\n{marked(line, opened)}"


def parse_macros(text: str) -> tuple[tuple[str, str], ...]:
    """Return the macros of `P=X:,N="a, b"`; what is no macro is left out, as macLib does."""
    found, at = [], 0
    while at < len(text):
        match = _MACRO.match(text, at)
        if match is None:
            at = text.find(",", at) + 1 or len(text)
            continue
        value = match["value"].strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        found.append((match["name"], value[1:-1] if quoted else value))
        at = match.end()
    return tuple(found)
