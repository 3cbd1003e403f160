"""The file that a command writes its answer to, for programs: never one that an earlier run has left, and never "ok" where it failed."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbeam.errors import SettingsError

_OPTION = "--json"
_EXPECTED = "a file that can be written"


@dataclass(frozen=True, slots=True)
class JsonFile:
    """Where the answer goes; without a path, nowhere."""

    path: Path | None

    def check(self) -> None:
        """Find out, before anything else is done, whether the answer can be written.

        Raises:
            SettingsError: it can't.
        """
        if self.path is not None:
            with _naming(self.path):
                _try(self.path)

    def write(self, answer: Mapping[str, Any]) -> None:
        """Write the answer, in place of one that was written before.

        Raises:
            SettingsError: it can't be written any more.
        """
        if self.path is not None:
            with _naming(self.path):
                self.path.write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")


@contextmanager
def answering(path: Path | None) -> Iterator[JsonFile]:
    """Give the file, an older answer removed; what goes wrong within the block becomes the answer `{"ok": false, "error": "…"}`.

    Raises:
        SettingsError: what is there can't be removed.
    """
    file = JsonFile(path)
    if path is not None:
        with _naming(path):
            if path.exists():  # where it is not, its folder may still be made
                _try(path)
    try:
        yield file
    except BaseException as error:
        with suppress(SettingsError):  # what went wrong first is what the user is told
            file.write({"ok": False, "error": str(error) or type(error).__name__})
        raise


def _try(path: Path) -> None:
    """Write nothing to a file and remove it; of a device or a pipe only ask whether one may write to it."""
    if path.exists() and not path.is_file():
        if path.is_dir() or not os.access(path, os.W_OK):
            raise PermissionError(0, "is a folder" if path.is_dir() else "may not be written")
        return
    path.open("w").close()
    if not path.is_symlink():
        with suppress(OSError):  # the folder may not be changed: then it is empty
            path.unlink()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(_OPTION, str(path), f"{_EXPECTED} ({error.strerror})") from None
