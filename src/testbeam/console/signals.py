"""What `kill` means to a command that runs a stack: the same as Ctrl-C, which ends it in order."""

import signal


def end_as_by_ctrl_c() -> None:
    """Let SIGTERM do what SIGINT does."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
