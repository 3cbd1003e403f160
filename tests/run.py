"""The whole test suite: side by side, then what failed once more by itself.

A test that passes only then depends on what runs beside it: it is named and counted, and more than MOST of them fail the run.
Usage: python tests/run.py WORKERS [PYTEST OPTION…]
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAST_FAILED = ROOT / ".pytest_cache/v/cache/lastfailed"
MOST = 3
FAILED = 1  # pytest's own code: tests ran, and some failed


def main(workers: str, options: list[str]) -> int:
    """Run the suite and return the exit code."""
    # Who is started in the background ignores Ctrl-C and hang-up, and so would all its children; tests send them both.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    LAST_FAILED.unlink(missing_ok=True)
    code = run("-n", workers, "--durations=20", *options)
    if code != FAILED:
        return code
    names = failed()
    if len(names) > MOST:
        print(f"\n{len(names)} tests failed; a second try is for at most {MOST}")
        return code
    print(f"\n{len(names)} failed beside others; once more, one at a time:", flush=True)
    code = run("--last-failed", "--last-failed-no-failures", "none", *options)
    again = set(failed())
    for name in names:
        print(f"second try: {name} {'failed again' if name in again else 'passed'}")
    print(f"{len(names) - len(again)} of at most {MOST} tests needed a second try")
    return code


def run(*options: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *options], cwd=ROOT, check=False).returncode


def failed() -> list[str]:
    return sorted(json.loads(LAST_FAILED.read_text())) if LAST_FAILED.exists() else []


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(130)
