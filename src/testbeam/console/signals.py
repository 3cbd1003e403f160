"""Signals of a command that runs a stack: `kill`, and the terminal's end, are the same as Ctrl-C, which ends it in order."""

import signal


def end_as_by_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP do what SIGINT does; SIGHUP stays ignored where `nohup` has it so."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(_number: int, _frame: object) -> None:
    signal.raise_signal(signal.SIGINT)  # not KeyboardInterrupt: while a run starts or stops, SIGINT is deferred
