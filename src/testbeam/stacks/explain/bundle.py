"""Where the page of a failed test goes, with the logs it was made from."""

import re
import shutil
from pathlib import Path

from testbeam.kit.journal import Event
from testbeam.stacks.explain.gather import RunLike, gather
from testbeam.stacks.explain.page import page


def bundle(run: RunLike, folder: Path, *, test: str, error: str, begin: Event, end: Event) -> Path:
    """Write `report.html`, the journal and every service's whole log into a folder of the test's own; return the page's path."""
    target = folder / re.sub(r"[^\w.\-\[\]]+", "_", test)[:150]
    shutil.rmtree(target, ignore_errors=True)
    (target / "log").mkdir(parents=True)
    facts = gather(run, test=test, error=error, begin=begin, end=end)
    (target / "report.html").write_text(page(facts), encoding="utf-8")
    (target / "events.jsonl").write_text("".join(event.to_line() + "\n" for event in facts.events), encoding="utf-8")
    for handle in run.handles.values():
        if handle.log_path.exists():
            shutil.copyfile(handle.log_path, target / "log" / handle.log_path.name)
    return target / "report.html"
