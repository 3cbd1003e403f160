"""Declaration of a stack in a file, testbeam.toml, rather than in Python. Format: docs/reference/testbeam-toml.md."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from testbeam.errors import StackError
from testbeam.kit.stack import Stack
from testbeam.stacks.fingerprint import fingerprint

FILE_NAME = "testbeam.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A stack with its name, the prefix of its topics, and the file that declares it (None: the reference stack)."""

    name: str
    prefix: str
    stack: Stack
    file: Path | None = None
    env_names: Mapping[str, str] = field(default_factory=dict)  # further variables for `testbeam env`, as templates

    @property
    def fingerprint(self) -> str:
        """Return what a stack that runs already is known by."""
        return fingerprint(self.stack)


def declared(file: Path | str | None = None) -> Declaration:
    """Return the stack of a file, or of a folder's; without one that of the `testbeam.toml` here or above, else the reference stack.

    Raises:
        StackError: the file is not there or can't be used.
    """
    found = Path(file) if file is not None else find()
    if found is not None and found.is_dir():
        if not (found / FILE_NAME).exists():
            raise StackError(f"folder {found} has no {FILE_NAME}; make one there: testbeam init stack {shlex.quote(str(found))}")
        found = found / FILE_NAME
    return reference() if found is None else load(found)


def located(file: Path) -> Path:
    """Return the one path by which a file is known, however it was written; it may itself be a link."""
    return file.parent.resolve() / file.name


def why_reference(declaration: Declaration) -> str:
    """Return in a line why it is the reference stack, and how to have one of one's own."""
    services = ", ".join(service.name for service in declaration.stack.services)
    return f"no {FILE_NAME} here or in a folder above: the reference stack ({services}); one of your own: testbeam init stack"


def find(folder: Path | None = None) -> Path | None:
    """Return the testbeam.toml of a folder or of the nearest one above it that has one."""
    start = (folder or Path.cwd()).absolute()
    return next((one / FILE_NAME for one in (start, *start.parents) if (one / FILE_NAME).is_file()), None)


def reference(*, live: bool = False) -> Declaration:
    """Return the reference stack, ours in every role; live: with live data, which it has where something is asked of that role."""
    from testbeam.stacks.reference import light_chain  # late: a stack of one's own need not have the libraries that all of ours need
    from testbeam.stacks.topics import Topics

    return Declaration(name="reference", prefix=Topics().prefix, stack=light_chain(live=live))


def load(file: Path | str) -> Declaration:
    """Return the stack that a file declares; relative paths in it begin at its folder.

    Raises:
        StackError: it can't be read, or something in it can't be used; names the file, the key and the cause.
    """
    file = located(Path(file))
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it is not UTF-8 text ({error.reason} at byte {error.start})"
        raise StackError(f"{file} can't be read: {why}; give the path of a {FILE_NAME}") from None
    return parse(text, file)


def parse(text: str, file: Path) -> Declaration:
    """Return the stack that a text declares; `file` is named in errors, and its folder is where relative paths begin.

    Raises:
        StackError: something in it can't be used; names the file, the key and the cause.
    """
    import tomllib  # late, as all that reads a file: the reference stack is up 40 ms sooner without

    from testbeam.stacks.toml.env_names import env_names_of
    from testbeam.stacks.toml.key import Wrong
    from testbeam.stacks.toml.stack import parts_of

    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StackError(f"{file}: this is not TOML: {error}") from None
    try:
        name, prefix, stack = parts_of({word: table for word, table in tables.items() if word != "env_names"}, file.parent)
        env_names = env_names_of(tables.get("env_names", {}), stack)
    except Wrong as error:
        raise StackError(f"{file}: {error}") from error.__cause__
    return Declaration(name=name, prefix=prefix, stack=stack, file=file, env_names=env_names)
