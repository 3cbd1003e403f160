"""Entry of the `testbeam` command: Ctrl-C ends it with one line, also one that comes while modules are imported."""

import sys  # and no more: what is imported here is imported before Ctrl-C is heeded


def main() -> None:
    """Run the command named by the first argument, and exit with its code."""
    try:
        from testbeam.cli.commands import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt as interrupt:
        code = _interrupted(interrupt)
    sys.exit(code)


def _interrupted(interrupt: KeyboardInterrupt) -> int:
    """Say so, with what was noted about it on its way; return the exit code."""
    from testbeam.runtime.exit_codes import INTERRUPTED

    print("interrupted", *getattr(interrupt, "__notes__", ()), sep="\n", file=sys.stderr)
    return INTERRUPTED
