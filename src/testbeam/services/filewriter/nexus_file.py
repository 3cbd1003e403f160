"""The file of a job: made from its structure, opened for readers to follow, closed and made read-only.

Source: docs/reference/contracts/filewriter.md, "Files".
"""

import os
import posixpath
import shutil
import stat
import unicodedata
from collections.abc import Hashable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5g
from numpy.typing import NDArray

from testbeam._version import __version__
from testbeam.errors import NexusError
from testbeam.nexus.structure import Attribute, Dataset, Group, Link, Stream
from testbeam.services.filewriter.columns import WrittenGroup, set_text
from testbeam.services.filewriter.modules import mdat
from testbeam.services.filewriter.modules.config import Config
from testbeam.services.filewriter.plan import Planned
from testbeam.services.filewriter.router import Route
from testbeam.services.filewriter.salvage import lead_to_nowhere, make_readable

_TEXT = h5py.string_dtype()
_LIBRARY = ("v110", "v110")  # SWMR needs 1.10; newer formats would shut out readers with older libraries
_READ_ONLY = 0o444
_never_let_go: list[h5py.File] = []


def template_of(prefix: Path, instrument_name: str) -> Path | None:
    """Return the file that an instrument's files begin as a copy of; none without an instrument's name.

    Raises:
        NexusError: there is no such file.
    """
    if not instrument_name:
        return None
    path = prefix.resolve() / instrument_name / f"{instrument_name}.hdf"
    if Path(instrument_name).name != instrument_name or not path.is_file():
        raise NexusError(instrument_name, f"there is no template {path}; leave the instrument name out to start from an empty file")
    return path


def in_words(error: BaseException, folder: Path) -> str:
    """Return an error of HDF5 or the system on one line; a full disk is named as such, with its folder and what is free."""
    text = " ".join(str(error).split())
    if "No space left" in text or "Disk quota" in text:
        with suppress(OSError):
            return f"the disk is full: {shutil.disk_usage(folder).free} bytes are free at {folder} ({text[:300]})"
    return text[:1000]


class Replace(Enum):
    """Which file may be there already where a job's file goes, since it is that of the writer that had the job before."""

    NOTHING = auto()
    UNFINISHED = auto()  # the job was never answered: a finished one is another job's
    ANY = auto()


def path_below(prefix: Path, filename: str, *, make_folders: bool = False, replace: Replace = Replace.NOTHING) -> Path:
    """Return where a job's file goes; make_folders: make missing folders below the prefix.

    Raises:
        NexusError: it would be outside the prefix, its folder is missing, or it is there already.
    """
    try:
        return _checked(prefix.resolve(), filename, make_folders=make_folders, replace=replace)
    except (OSError, ValueError) as error:  # as for a zero inside, or more characters than a name may have
        raise NexusError(filename[:100], f"can't be the name of a file: {error}") from error


def _checked(root: Path, filename: str, *, make_folders: bool, replace: Replace) -> Path:
    if any(unicodedata.category(character) == "Cc" for character in filename):
        raise ValueError("it has a control character, such as a newline")
    path = (root / filename.lstrip("/")).resolve()
    if not path.is_relative_to(root) or path == root:
        raise NexusError(filename[:300], f"is not inside {root}, below which every file goes")
    if make_folders and root.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.is_dir():
        raise NexusError(filename[:300], f"the folder {path.parent} does not exist; create it first, or let option --make-folders do it")
    if not _is_free(path, replace):
        raise NexusError(filename[:300], f"{path} exists already; files are never overwritten")
    return path


def _is_free(path: Path, replace: Replace) -> bool:
    """Return whether nothing has that path but what may be replaced.

    Raises OSError for a path that nothing can have, which Path.exists hides from Python 3.14 on.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return True
    return replace is Replace.ANY or (replace is Replace.UNFINISHED and bool(mode & stat.S_IWUSR))


class NexusFile:
    """A file being written; `routes` are its writer modules, `warnings` what is not as asked for.

    It begins empty, or as a copy of `template`, to which only what is missing is added. What is changed at the end is changed by the
    descriptor, never by the path, which may lead elsewhere by then.

    Raises:
        NexusError: the file can't be made; none is left behind then.
    """

    def __init__(
        self, path: Path, root: Group, planned: Sequence[Planned], now: datetime, template: Path | None = None, *, start_ms: int = 0
    ) -> None:
        self.path = path
        self.warnings: list[str] = []
        self.metadata: list[mdat.Metadata] = []
        self._start_ms = start_ms
        self._groups: dict[str, WrittenGroup] = {}
        self._models: dict[Hashable, Any] = {}
        try:
            self._file = _new(path, template)
            self._written_by = int(self._file.id.get_vfd_handle())  # HDF5's own descriptor
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise NexusError(str(path), f"can't be made: {error}") from error
        try:
            self._write_structure(root, now, template=template is not None)
            self.routes = [self._route(item) for item in planned]
            self._link(root)
            self._let_readers_follow()
        except BaseException as error:
            self._give_up()
            if isinstance(error, OSError | ValueError | TypeError | RuntimeError):
                raise NexusError(str(path), f"can't be made: {in_words(error, path.parent)}") from error
            raise

    def flush(self) -> None:
        """Let readers see all that was written so far."""
        self._file.flush()

    def finish(self, end_ms: int) -> None:
        """Write what is only known at the end."""
        for metadata in self.metadata:
            metadata.finish(end_ms)

    def close(self) -> None:
        """Close the file and make it read-only; once is enough.

        Raises:
            NexusError: the path no longer leads to the file that was written, or HDF5 could not close it; what was on the disk is readable.
        """
        if not self._file:
            return
        problem = ""
        try:
            self._file.flush()  # which fails without harm, other than a close
            self._file.close()
        except Exception as error:  # HDF5 raises several on a full disk
            problem = f"can't be closed: {in_words(error, self.path.parent)}{self._salvage()}"
        os.fchmod(self._descriptor, _READ_ONLY)
        if not problem and not self._is_at_its_path():
            problem = "no longer leads to the file that was written: it was moved, removed or replaced in mid-job"
        os.close(self._descriptor)
        if problem:
            raise NexusError(str(self.path), problem)

    def abandon(self) -> None:
        """Let go of the file as it is: another writer has the job, and a file of its own at this path."""
        if self._file:
            with suppress(Exception):
                lead_to_nowhere(self._written_by)
                self._file.close()
            os.close(self._descriptor)

    def _is_at_its_path(self) -> bool:
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def _salvage(self) -> str:
        """Bring HDF5 to let go of the file; return in words what could not be done."""
        try:
            lead_to_nowhere(self._written_by)
            self._file.close()
            readable = self._is_at_its_path() and make_readable(self.path)
        except Exception as error:  # whatever state HDF5 is in, the writer goes on
            _never_let_go.append(self._file)  # else a crash
            return f"; nor can it be let go of: {error}"
        return "" if readable else "; what is on the disk can't be read"

    def _give_up(self) -> None:
        """Leave no file behind that could not be made."""
        with suppress(Exception):
            lead_to_nowhere(self._written_by)
            self._file.close()
        if self._is_at_its_path():
            self.path.unlink()
        os.close(self._descriptor)

    def _write_structure(self, root: Group, now: datetime, *, template: bool) -> None:
        attributes = self._file.attrs
        attributes["HDF5_Version"] = h5py.version.hdf5_version
        attributes["file_name"] = str(self.path)
        attributes["creator"] = f"testbeam-filewriter {__version__}"
        attributes["file_time"] = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"
        for group in root.groups():
            is_new = group.path not in self._file if template else True
            made = self._group(group.path, is_new=is_new)
            _set_attributes(made, group.attributes)
            for child in group.children:
                if isinstance(child, Dataset) and child.name not in made:
                    _make_dataset(made, child)
                elif isinstance(child, Stream):
                    _set_attributes(made, child.attributes)
                    if child.module == "mdat":
                        self.metadata.append(mdat.Metadata(made, Config(child.config, child.place), self._start_ms))

    def _group(self, path: str, *, is_new: bool = False) -> WrittenGroup:
        """Return a group, which is made where it is new; parents come first."""
        if path not in self._groups:
            make = h5g.create if is_new and path != "/" else h5g.open
            self._groups[path] = WrittenGroup(make(self._file.id, path.encode()), path, self._file.id, self._models)
        return self._groups[path]

    def _route(self, item: Planned) -> Route:
        group = self._group(item.path)
        if item.explicit:
            words = {"topic": item.topic, "source": item.source, "writer_module": item.name, "NX_class": item.kind.nx_class}
            for name, word in words.items():
                set_text(group.id, name, word)
        return Route(topic=item.topic, source=item.source, module=item.kind(group, item.config))

    def _link(self, root: Group) -> None:
        waiting = []
        below = {group.path: [child.path for child in group.children if isinstance(child, Group)] for group in root.groups()}
        for path, link in ((group.path, child) for group in root.groups() for child in group.children if isinstance(child, Link)):
            if _is_loop(path, link, below):
                self.warnings.append(f"link {path.rstrip('/')}/{link.name}: {link.source} leads back to the group that it is in")
            else:
                waiting.append((path, link))
        while waiting:
            missing = [(path, link) for path, link in waiting if not self._try_link(path, link)]
            if len(missing) == len(waiting):
                self.warnings += [f"link {path.rstrip('/')}/{link.name}: there is no {link.source}" for path, link in missing]
                return
            waiting = missing

    def _let_readers_follow(self) -> None:
        self._groups.clear()  # HDF5 refreshes each object that is open
        self._models.clear()
        try:
            self._file.swmr_mode = True
        except RuntimeError as error:
            self.warnings.append(f"readers can't follow the file (SWMR) as it is written: {error}")

    def _try_link(self, path: str, link: Link) -> bool:
        if link.name in self._file[path]:
            return True
        target = self._file.get(posixpath.normpath(posixpath.join(path, link.source)))
        if target is not None:
            self._file[path][link.name] = target
        return target is not None


def _is_loop(path: str, link: Link, below: dict[str, list[str]]) -> bool:
    """Tell whether who follows this link comes back to its group; if not, note it among the `below` of each group.

    Readers would follow a loop without end.
    """
    target = posixpath.normpath(posixpath.join(path, link.source))
    if target not in below:
        return False
    waiting, seen = [target], set[str]()
    while waiting:
        here = waiting.pop()
        if here == path:
            return True
        if here not in seen:
            seen.add(here)
            waiting += below.get(here, ())
    below[path].append(target)
    return False


def _new(path: Path, template: Path | None) -> h5py.File:
    if template is None:
        return h5py.File(path, "x", libver=_LIBRARY)
    with template.open("rb") as source, path.open("xb") as copy:
        shutil.copyfileobj(source, copy)
    try:
        return h5py.File(path, "r+", libver=_LIBRARY)
    except OSError:
        path.unlink()
        raise


def _make_dataset(group: h5py.Group, dataset: Dataset) -> None:
    try:
        kind = _TEXT if dataset.value.dtype == object else dataset.value.dtype
        made = group.create_dataset(dataset.name, data=_plain(dataset.value), dtype=kind)
        _set_attributes(made, dataset.attributes)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise NexusError(dataset.place, f"{dataset.name} can't be written: {error}") from error


def _set_attributes(item: h5py.HLObject, attributes: Sequence[Attribute]) -> None:
    for attribute in attributes:
        if attribute.value.dtype == object and not attribute.value.ndim:
            set_text(item.id, attribute.name, attribute.value.item())
            continue
        if attribute.name in item.attrs:
            continue
        kind = _TEXT if attribute.value.dtype == object else attribute.value.dtype
        item.attrs.create(attribute.name, _plain(attribute.value), dtype=kind)


def _plain(value: NDArray[Any]) -> Any:
    return value.item() if value.dtype == object and not value.ndim else np.ascontiguousarray(value).reshape(value.shape)
