"""Run benchmarks by name, or all: `python -m benchmarks [NAME …]`; results go to benchmarks/results.json."""

import difflib
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.harness import Result, table, write_results

FOLDER = Path(__file__).parent
HELPERS = {"__init__", "__main__", "harness"}


def names() -> list[str]:
    """Return the benchmarks there are: every module here with a `run`."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in HELPERS and "\ndef run() ->" in path.read_text())


def main(asked: list[str]) -> int:
    """Run what was asked for, one after the other so that none disturbs another; 1 where a target was missed, 2 for a wrong name."""
    for name in asked:
        if name not in names():
            near = difflib.get_close_matches(name, names()) or names()
            print(f"no benchmark {name!r}; there are {', '.join(near)}", file=sys.stderr)
            return 2
    results: list[Result] = []
    for name in asked or names():
        print(f"— {name}", flush=True)
        results += (found := import_module(f"benchmarks.{name}").run())
        print(table(found), flush=True)
    write_results(results)
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
