"""Life of a program: settings, log, signals, exit code."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from testbeam.errors import SettingsError, TestbeamError
from testbeam.runtime import exit_codes, logs
from testbeam.runtime.settings import ProgramSettings, parse

S = TypeVar("S", bound=ProgramSettings)


def run(prog: str, settings_class: type[S], main: Callable[[S, threading.Event], None], argv: Sequence[str] | None = None) -> int:
    """Run `main(settings, stop)` until it returns; SIGTERM and SIGINT set `stop`. Return the exit code.

    A second signal while stopping ends the process at once with the signal's usual code.
    """
    try:
        settings = parse(settings_class, prog, argv, description=(main.__doc__ or "").strip())
    except SettingsError as error:
        print(f"testbeam-{prog}: {error}", file=sys.stderr)  # noqa: T201 — there is no log yet
        return exit_codes.USAGE
    log = logs.start(prog, settings.verbosity, settings.log_file)
    stop = threading.Event()
    _stop_on_signals(stop)
    try:
        main(settings, stop)
    except SettingsError as error:
        log.error("%s", error)  # noqa: TRY400 — the message is written for the user; a traceback would bury it
        return exit_codes.USAGE
    except TestbeamError as error:
        log.error("%s: %s", type(error).__name__, error)  # noqa: TRY400
        return exit_codes.FAILED
    except Exception:
        log.exception("ended by an error that was not foreseen")
        return exit_codes.CRASHED
    log.info("stopped")
    return exit_codes.OK


def _stop_on_signals(stop: threading.Event) -> None:
    def handle(number: int, _frame: object) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
