"""The source tree of an IOC: where its files are that a build would have put elsewhere.

A start-up file names what a build installs (`db/x.db`, `dbd/x.dbd`, `envPaths`); here the sources are used as they are, without a build.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

_SKIPPED = re.compile(r"O\..*|\.git|\.svn|node_modules|__pycache__|\.venv|bin|lib|doc|docs")
_DEEPEST = 6
_MARKS = ("configure", ".git", "Makefile")  # of a tree of sources
_RELEASE = re.compile(r"^\s*(?P<name>[A-Za-z_]\w*)\s*[:?]?=\s*(?P<value>[^#\n]*?)\s*(?:#.*)?$", re.MULTILINE)
_REFERENCE = re.compile(r"\$[({](\w+)[)}]")


@dataclass(frozen=True)
class Project:
    """The tree that a start-up file belongs to."""

    script: Path
    top: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "top", _top(self.script.absolute()))

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """Return every file of the tree by its name."""
        return _indexed(self.top)

    def find(self, name: str) -> Path | None:
        """Return the file of a name: as it stands, below the top, or where in the tree it is; a .db may be a .substitutions."""
        for path in (Path(name), self.top / name):
            if path.is_file():
                return path
        wanted = Path(name).name
        stem = Path(name).stem
        names = [wanted]
        if wanted.endswith((".db", ".vdb")):
            names += [f"{stem}.substitutions", f"{stem}.sub", f"{stem}.template"]
        for files in self._trees():
            found = next((self._nearest(files[known], name) for known in names if known in files), None)
            if found is not None:
                return found
        return None

    def _trees(self) -> Iterator[dict[str, list[Path]]]:
        """Yield the files of this tree, then those of what it is a part of: an example within a support module, for one."""
        yield self.files
        for folder in list(self.top.parents)[:2]:
            if any((folder / name).exists() for name in _MARKS):
                yield _indexed(folder)

    def _nearest(self, paths: list[Path], name: str) -> Path:
        """Return the one whose folders resemble those of the name most."""
        words = {part.lower() for part in Path(name).parts} | {part.lower() for part in self.script.parts}
        return max(paths, key=lambda path: (len(words & {part.lower() for part in path.parts}), -len(path.parts)))

    def environment(self) -> dict[str, str]:
        """Return what a build writes into `envPaths`: this IOC's name, its top, and the paths of configure/RELEASE."""
        values = {"IOC": self.script.absolute().parent.name, "ARCH": "linux-x86_64", "TOP": str(self.top)}
        for file in ("RELEASE", "RELEASE.local"):
            release = self.top / "configure" / file
            if release.is_file():
                for match in _RELEASE.finditer(release.read_text(errors="replace")):
                    values.setdefault(match["name"], _REFERENCE.sub(lambda reference: values.get(reference[1], ""), match["value"]))
        return values


def _indexed(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in _walk(folder, 0):
        found.setdefault(path.name, []).append(path)
    return found


def _top(script: Path) -> Path:
    """Return the folder above `iocBoot`, or the nearest one with `configure`, or that of the script."""
    for folder in script.parents:
        if folder.name.lower() == "iocboot":
            return folder.parent
    for folder in list(script.parents)[:5]:
        if (folder / "configure").is_dir():
            return folder
    return script.parent


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_file():
            yield Path(entry.path)
        elif entry.is_dir(follow_symlinks=False) and depth < _DEEPEST and not _SKIPPED.fullmatch(entry.name):
            yield from _walk(Path(entry.path), depth + 1)
