"""The subject of a suite: ours in a role, or the build, command line or running service that takes its place."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbeam.errors import SettingsError

if TYPE_CHECKING:
    from testbeam.kit.stack import Stack
    from testbeam.stacks.replacing import Replacement

EXPECTED_FAILURES = "expected_failures.toml"  # beside the tests of a suite; format: docs/how-to/verify-a-role.md


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a suite is about; without replacements it is ours in every role."""

    replacements: "tuple[Replacement, ...]" = ()

    def is_ours(self, role: str) -> bool:
        """Return whether the role is filled by testbeam's own implementation."""
        return all(one.role != role for one in self.replacements)

    def stack(self, stack: "Stack") -> "Stack":
        """Return the stack with everything replaced that is to be; a replacement of a role that it does not have is left out.

        Raises:
            StackError: what takes a place is not there or not of the form that its role has.
        """
        from testbeam.stacks.replacing import apply  # late: a test session that runs no suite loads this file as well

        known = {one.name for one in stack.services} | {one.role for one in stack.services}
        return apply(stack, [one for one in self.replacements if one.role in known])

    def words(self) -> tuple[str, ...]:
        """Return what `subject_of` makes this subject from again, in another process."""
        return tuple(f"{one.kind}:{one.role}={one.value}" for one in self.replacements)


def subject_of(words: Iterable[str]) -> Subject:
    """Return the subject that words such as `local_build:forwarder=/path` name.

    Raises:
        SettingsError: a word is not of that form, or a role is given twice.
    """
    from testbeam.stacks.replacing import KINDS, parse_replacements

    given: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for word in words:
        kind, colon, rest = word.partition(":")
        if not colon or kind not in given:
            raise SettingsError("subject", word, f"KIND:ROLE=VALUE, KIND one of {', '.join(KINDS)}")
        given[kind].append(rest)
    return Subject(replacements=parse_replacements(given["local_build"], given["command"], given["external"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBuild:
    """A build whose failures of a suite are known: test name → why; `files` are what it is recognised by."""

    name: str
    files: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)

    def is_at(self, value: str) -> bool:
        """Return whether the path or command line of a replacement is this build, by the name of a file in it."""
        words = [Path(word).expanduser() for word in value.split()]
        return any(word.name == file or (word / file).is_file() or (word.parent / file).is_file() for word in words for file in self.files)


def known_builds(file: Path) -> tuple[KnownBuild, ...]:
    """Return the builds that a file of expected failures names; none where there is no such file.

    Raises:
        SettingsError: it can't be read, or is not of the form that it should have.
    """
    if not file.is_file():
        return ()
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8")).get("build", {})
        return tuple(_known_build(name, table) for name, table in tables.items())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError, AttributeError) as error:
        way = '[build."NAME"] with files = […], and [build."NAME".failures] with "test_name" = "why"'
        raise SettingsError("expected failures", str(file), f"{way} ({error})") from None


def _known_build(name: str, table: Mapping[str, Any]) -> KnownBuild:
    failures = {str(test): str(why) for test, why in table.get("failures", {}).items()}
    return KnownBuild(name=name, files=tuple(map(str, table.get("files", ()))), failures=failures)


def build_at(builds: Iterable[KnownBuild], role: str, subject: Subject, named: str = "") -> KnownBuild | None:
    """Return the known build that is in the role: the one that is named, else the one that is recognised by its files.

    Raises:
        SettingsError: there is no build of that name.
    """
    builds = tuple(builds)
    if named:
        found = [one for one in builds if one.name == named]
        if not found and named != "none":
            raise SettingsError("build", named, f"one of {', '.join([*(one.name for one in builds), 'none'])}")
        return found[0] if found else None
    given = [one.value for one in subject.replacements if one.role == role and one.kind != "external"]
    return next((one for one in builds for value in given if one.is_at(value)), None)
