"""Values of records kept over restarts, as the autosave module does it: restored before the records are initialised, saved as they change.

A request file names PVs, one a line, and may include others (`file NAME macros`); a save file has one `PV value` a line and ends with
`<END>`. An array is written `PV @array@ { "1" "2" }`; no database text can set one, so arrays are put into their records once those are
initialised, before anybody is served.
Source: the manual of autosave; docs/reference/contracts/ioc.md, "Start-up files".
"""

import logging
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from testbeam.errors import StackError
from testbeam.services.ioc.commands import Shell

log = logging.getLogger("ioc")

_END = "<END>"
_NAME = re.compile(r"[^\s#]+")
_MACRO = re.compile(r"\$[({](\w+)(?:=([^)}]*))?[)}]")
_FIELD = re.compile(r"(?P<record>[^.\s]+)(?:\.(?P<field>[A-Z0-9]+))?$")
_ELEMENT = re.compile(r'"((?:\\.|[^"\\])*)"')
_ARRAY = "@array@"
_SHORTEST_S = 0.2

ReadValue = Callable[[str], str | Sequence[str] | None]
WriteArray = Callable[[str, Sequence[str]], bool]


class Autosave:
    """The commands of autosave, and its thread.

    load_text: gives a database text to base before iocInit. exists: tells whether there is such a field. read: returns its value as text,
    or the texts of an array. write_array: sets one, within iocInit; tells whether base took it.
    """

    def __init__(
        self, shell: Shell, load_text: Callable[[str], None], exists: Callable[[str], bool], read: ReadValue, write_array: WriteArray
    ) -> None:
        self._shell = shell
        self._load_text = load_text
        self._exists = exists
        self._read = read
        self._write_array = write_array
        self._arrays: dict[str, tuple[str, ...]] = {}  # to be restored
        self._wanted: list[Path] = []  # files to restore from
        self._request_paths = [Path()]
        self._save_path = Path()
        self._sets: dict[str, tuple[list[str], float]] = {}
        self._saved: dict[str, list[str]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self) -> None:
        """Make the commands known to the shell."""
        self._shell.add("set_requestfile_path", self._request_path)
        self._shell.add("set_savefile_path", self._set_save_path)
        self._shell.add("set_pass0_restoreFile", self._restore)
        self._shell.add("set_pass1_restoreFile", self._restore)
        self._shell.add("create_monitor_set", self._monitor_set)

    def _request_path(self, words: Sequence[str]) -> None:
        self._request_paths.append(Path(words[0] if words else ".", words[1] if len(words) > 1 else "").absolute())

    def _set_save_path(self, words: Sequence[str]) -> None:
        self._save_path = Path(words[0] if words else ".", words[1] if len(words) > 1 else "").absolute()

    # --- restoring ---

    def _restore(self, words: Sequence[str]) -> None:
        self._wanted.append(self._save_path / (words[0] if words else ""))

    def restore(self) -> None:
        """Set fields before the records are initialised, by a database of them: clients never see another value.

        Raises:
            StackError: a save file was cut short.
        """
        for path in dict.fromkeys(self._wanted):
            if not path.is_file():
                log.info("autosave: %s is not there yet; nothing is restored", path)
                continue
            lines = path.read_text(errors="replace").splitlines()
            if _END not in lines:
                raise StackError(f"save file {path} does not end with {_END}: it was cut short; nothing is restored from it")
            restored = [text for line in lines if self._exists(line.partition(" ")[0]) and (text := restoring(line))]
            self._load_text("".join(restored))
            arrays = dict(array for line in lines if self._exists(line.partition(" ")[0]) and (array := saved_array(line)) is not None)
            self._arrays |= arrays
            log.info("autosave: %d values restored from %s", len(restored) + len(arrays), path)

    def restore_arrays(self) -> None:
        """Set arrays, after the records are initialised."""
        for name, elements in self._arrays.items():
            if not self._write_array(name, elements):
                log.error("autosave: %s does not take the %d elements that were saved", name, len(elements))
        self._arrays.clear()

    # --- saving ---

    def _monitor_set(self, words: Sequence[str]) -> None:
        """Begin to save the PVs of a request file, at most every so many seconds."""
        name, period, macros = (*words, "", "5", "")[:3] if words else ("", "5", "")
        if len(words) == 1:
            period = "5"
        if not any((folder / name).is_file() for folder in self._request_paths):
            log.info("autosave: there is no request file %s; a build makes it of info(autosaveFields), here nothing is saved", name)
            return
        pvs = self._requested(name, dict(entry.split("=", 1) for entry in macros.split(",") if "=" in entry), 0)
        self._sets[name] = (pvs, max(float(period or 5), _SHORTEST_S))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="autosave", daemon=True)
            self._thread.start()

    def _requested(self, name: str, macros: dict[str, str], depth: int) -> list[str]:
        path = next((folder / name for folder in self._request_paths if (folder / name).is_file()), None)
        if path is None or depth > 10:
            raise StackError(f"request file {name!r} is in none of {', '.join(str(folder) for folder in self._request_paths)}")
        found: list[str] = []
        for line in path.read_text(errors="replace").splitlines():
            text = _MACRO.sub(lambda match: macros.get(match[1], match[2] or ""), line)
            match = _NAME.match(text.strip())
            if match is None:
                continue
            if match[0] == "file":
                included, _, given = text.strip().removeprefix("file").strip().partition(" ")
                more = dict(entry.strip().split("=", 1) for entry in given.split(",") if "=" in entry)
                found += self._requested(included.strip('"'), macros | more, depth + 1)
            else:
                found.append(match[0])
        return found

    def _run(self) -> None:
        shortest = min(period for _, period in self._sets.values())
        while not self._stop.wait(min(shortest, 1.0)):
            self.save()

    def save(self) -> None:
        """Write the sets whose values have changed."""
        for name, (pvs, _) in self._sets.items():
            lines = [saved(pv, value) for pv in pvs if (value := self._read(pv)) is not None]
            if lines != self._saved.get(name):
                self._saved[name] = lines
                self._write(self._save_path / f"{Path(name).stem}.sav", lines)

    def _write(self, path: Path, lines: list[str]) -> None:
        partial = path.with_name(f"{path.name}.partial")
        try:
            partial.write_text("\n".join(["# written by testbeam, to be restored by set_pass0_restoreFile", *lines, _END, ""]))
            partial.replace(path)
        except OSError as error:
            log.error("autosave: %s: %s", path, error.strerror)  # noqa: TRY400 — the reason is all there is to say

    def close(self) -> None:
        """Save once more and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2.0)
            self.save()


def restoring(line: str) -> str:
    """Return the database text that sets what one line of a save file says; the empty string for comments and arrays."""
    name, _, value = line.strip().partition(" ")
    match = _FIELD.fullmatch(name)
    if not name or name[0] in "#!<" or match is None or value.startswith(_ARRAY):
        return ""
    quoted = _quoted(value)
    return f'record("*", "{match["record"]}") {{ field({match["field"] or "VAL"}, "{quoted}") }}\n'


def saved(name: str, value: str | Sequence[str]) -> str:
    """Return the line of a save file for a value, or for the elements of an array."""
    if isinstance(value, str):
        return f"{name} {value}"
    return " ".join((name, _ARRAY, "{", *(f'"{_quoted(element)}"' for element in value), "}"))


def saved_array(line: str) -> tuple[str, tuple[str, ...]] | None:
    """Return name and elements of a line that holds an array, else None."""
    name, _, value = line.strip().partition(" ")
    if not value.startswith(_ARRAY):
        return None
    return name, tuple(re.sub(r"\\(.)", r"\1", element) for element in _ELEMENT.findall(value))


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
