"""Folder of a run: locked for as long as the run lives, laid out in logs, configuration files and services' own folders."""

import fcntl
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from testbeam.errors import StackError
from testbeam.kit import environment, host

PRIVATE = 0o700
"""Mode of what may hold a password, as configuration files do: for this user alone; files have 0600."""

LOG = logging.getLogger(__name__)


class RunFolder:
    """A temporary folder, or one that the user gave; locked by the kernel for as long as the run lives."""

    def __init__(self, given: Path | str | None) -> None:
        self.temporary = given is None
        self.path = _temporary() if given is None else Path(given).absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
            self._lock_fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StackError(f"run folder: {host.why(error, self.path)}; give one that can be written as `folder`") from None
        if not lock(self._lock_fd):
            os.close(self._lock_fd)
            raise StackError(f"run folder {self.path} is in use by another run; stop that one, or give another folder") from None
        if full := host.no_room(self.path):
            self.leave(keep=False)
            raise StackError(f"run folder: {full}; make room, or give another as `folder`")

    def leave(self, *, keep: bool) -> None:
        """Unlock the folder, and remove a temporary one unless it is to be kept."""
        os.close(self._lock_fd)
        if self.temporary and not keep:
            shutil.rmtree(self.path, onerror=lambda _, path, error: LOG.warning("%s is left behind: %s", path, error[1]))


def lock(fd: int) -> bool:
    """Lock an open folder or file until it is closed; tell whether nobody else holds it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _temporary() -> Path:
    import tempfile  # late: a fifth of the kit's whole import time, for those who give a folder

    return Path(tempfile.mkdtemp(prefix="testbeam-"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The folders of one run, and what its services see of the caller."""

    folder: Path
    run_id: str
    kept: Mapping[str, str] = field(default_factory=environment.scrubbed)  # of the caller's environment, once for all services

    def make(self) -> None:
        """Create the folders.

        Raises:
            StackError: one can't be made.
        """
        try:
            for folder in (self.folder, self.log_dir, self.config_dir):
                folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
        except OSError as error:
            raise StackError(f"run folder: {host.why(error)}; give one that can be written as `folder`") from None

    @property
    def log_dir(self) -> Path:
        """Return where every service's log goes."""
        return self.folder / "log"

    @property
    def config_dir(self) -> Path:
        """Return where configuration files go."""
        return self.folder / "config-files"

    @property
    def journal_path(self) -> Path:
        """Return where the events of the run go."""
        return self.folder / "events.jsonl"
