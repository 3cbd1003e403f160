"""Bundle of a failed test: its page, with the journal and the logs it was made from, in a folder of its own."""

import re
import shutil
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from testbeam.kit.journal import Event
from testbeam.kit.protocols import RunLike
from testbeam.report.failure.gather import Facts, gather, gather_start
from testbeam.report.failure.page import page

_NOT_IN_NAMES = re.compile(r"[^\w.\-\[\]]+", re.ASCII)
_LONGEST_NAME = 150
_HEAD, _TAIL = 1 << 20, 4 << 20  # bytes of a log that is too long to be copied whole


def bundle(run: RunLike, folder: Path, *, test: str, error: str, begin: Event, end: Event, when: str = "call") -> Path:
    """Write `report.html`, the journal and every service's logs into a folder of the test's own; return the page's path.

    when: the phase that failed, "setup", "call" or "teardown": each has a folder.
    """
    facts = gather(run, test=test, error=error, begin=begin, end=end)
    logs = {path for handle in run.handles.values() for path in (handle.log_path, handle.stdout_path)}
    return _write(facts, sorted(logs), folder, when)


def bundle_of_start(run_folder: Path, folder: Path, *, test: str, error: str, when: str = "setup") -> Path:
    """Write the same of a stack that did not start, from what its run has left in its folder; return the page's path.

    Raises:
        ValueError: there is no journal in that folder.
    """
    facts = gather_start(run_folder, test=test, error=error)
    return _write(facts, sorted((run_folder / "log").glob("*.log")), folder, when)


def remove(folder: Path, test: str, when: str) -> None:
    """Remove what an earlier session has written of a test that passes by now."""
    shutil.rmtree(folder / folder_name(test, when), ignore_errors=True)


def _write(facts: Facts, logs: Iterable[Path], folder: Path, when: str) -> Path:
    target = _made(folder, folder_name(facts.test, when))
    (target / "report.html").write_text(page(facts), encoding="utf-8")
    (target / "events.jsonl").write_text("".join(event.to_line() + "\n" for event in facts.events), encoding="utf-8")
    for path in logs:
        if path.exists():
            _copy(path, target / "log" / path.name)
    return target / "report.html"


def _made(folder: Path, name: str) -> Path:
    """Return the folder of a test, made anew: below `folder`, or where that can't be written in a temporary one."""
    try:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name / "log").mkdir(parents=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="testbeam-failures-"))
        (folder / name / "log").mkdir(parents=True)
    return folder / name


def _copy(path: Path, target: Path) -> None:
    """Copy a log: of one that is too long head and tail, with a line between them that says what is left out."""
    size = path.stat().st_size
    with path.open("rb") as log, target.open("wb") as copy:
        if size <= _HEAD + _TAIL:
            copy.write(log.read(size))  # not what comes meanwhile
            return
        copy.write(log.read(_HEAD))
        copy.write(f"\n… ({size - _HEAD - _TAIL} bytes left out; all {size} were in {path})\n".encode())
        log.seek(size - _TAIL)
        copy.write(log.read(_TAIL))


def folder_name(test: str, when: str = "call") -> str:
    """Return the folder of a test's phase; where the name alone does not tell two tests apart it ends in a hash of the whole one."""
    name = _NOT_IN_NAMES.sub("_", test)
    is_ambiguous = len(name) > _LONGEST_NAME or not test.isascii() or _NOT_IN_NAMES.search(test.partition("[")[2])
    digest = f"-{sha256(test.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}" if is_ambiguous else ""
    return name[:_LONGEST_NAME] + digest + ("" if when == "call" else f"-{when}")
