"""Folder of a smoke run: `runtime/`, or the next free number beside it while another run is in there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

from testbeam.errors import SettingsError
from testbeam.kit.run_folder import lock
from testbeam.suites.first_light.plan import FILE_NAME

REPORT = "report.html"
KEPT = (REPORT, FILE_NAME, "log", "events.jsonl")
LAST = "last"  # what a whole run has left, kept there until another one is whole
OF_OTHERS = ("failures", "verify-*")  # what tests and verdicts left for their reader stays whatever a smoke run does
_MARK = ".testbeam-runtime"


@contextmanager
def claimed(wanted: Path) -> Iterator[Path]:
    """Give a folder that no other run is in; it is nobody else's until the end of the block.

    What the last whole run has left is set aside, in `LAST`; everything else of earlier ones is removed.

    Raises:
        SettingsError: the folder is there, has something in it, and is not of an earlier run: it is not ours to empty. Or it can't be
            made or written.
    """
    for number in range(1, 100):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        _check_ours(folder)
        mark_fd = _opened(folder)
        try:
            if lock(mark_fd) and not _has_run(folder):
                _set_aside(folder)
                _empty(folder)
                yield folder
                return
        finally:
            os.close(mark_fd)  # and with it the lock
    raise SettingsError("--runtime", str(wanted), "another folder: this one and its 98 neighbours are in use")


def last(folder: Path) -> Path | None:
    """Return where the last whole run is that was set aside; None where there is none."""
    return folder / LAST if (folder / LAST / REPORT).exists() else None


def forget_last(folder: Path) -> None:
    """Remove what was set aside: the run that is over is whole itself."""
    _remove(folder / LAST)


def clean(folder: Path, answer: Path | None = None) -> None:
    """Remove all but what a person wants to keep: report, file, logs and journal, and the answer for programs where it lies in there."""
    for entry in folder.iterdir():
        if entry.name not in (*KEPT, _MARK) and not _of_others(entry) and not (answer and answer.resolve().is_relative_to(entry.resolve())):
            _remove(entry)


def _check_ours(folder: Path) -> None:
    if folder.exists() and not (folder / _MARK).exists() and (not folder.is_dir() or _strange(folder)):
        raise SettingsError("--runtime", str(folder), "a new or empty folder: this one holds files that no smoke run made")


def _opened(folder: Path) -> int:
    """Make the folder and its mark; return the mark's descriptor."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / _MARK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    except OSError as error:
        raise SettingsError("--runtime", str(folder), f"a folder that can be made and written; here: {error.strerror}") from error


def _strange(folder: Path) -> bool:
    return not all(_of_others(entry) for entry in folder.iterdir())


def _of_others(entry: Path) -> bool:
    return any(fnmatchcase(entry.name, pattern) for pattern in OF_OTHERS)


def _has_run(folder: Path) -> bool:
    """Tell whether a run holds the folder's lock, as every run does while it lives."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return not lock(fd)
    finally:
        os.close(fd)


def _set_aside(folder: Path) -> None:
    if not (folder / REPORT).exists():
        return
    _remove(folder / LAST)
    (folder / LAST).mkdir()
    for name in KEPT:
        with suppress(FileNotFoundError):
            (folder / name).rename(folder / LAST / name)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name not in (_MARK, LAST) and not _of_others(entry):
            _remove(entry)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        with suppress(FileNotFoundError):
            entry.unlink()
