"""Process of one check: its network, its turn, its driver, its result.

A check whose programs are not ours and speak of `localhost` has a network of its own where the kernel allows that; elsewhere such checks
run one after the other, on the loopback address that all share.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbeam.driver.driver import Driver, Result
from testbeam.driver.log import TestLog
from testbeam.driver.results import as_json
from testbeam.driver.spec import CheckSpec, load
from testbeam.errors import StackError, TestbeamError
from testbeam.kit import interrupts, private_net
from testbeam.runtime import exit_codes

PASSED, FAILED = 0, 1
_NO_NETWORK = (
    "it needs a network of its own, and this kernel, distribution or container forbids unprivileged user namespaces: allow them "
    "(sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, kernel.apparmor_restrict_unprivileged_userns=0; "
    "a container: --security-opt seccomp=unconfined)"
)


@dataclass(frozen=True, slots=True)
class CheckNetwork:
    """Network of a check: one of its own, or that of all with `localhost` taken for it."""

    private: bool
    local: bool


@contextmanager
def network_of(check: CheckSpec) -> Iterator[CheckNetwork]:
    """Enter a network in which the check can run; this process must have one thread.

    Raises:
        StackError: it must have a network of its own, and may not.
    """
    if not check.needs_own_loopback:
        yield CheckNetwork(private=False, local=False)
        return
    try:
        private_net.enter()
    except StackError:
        if check.private:
            raise
        with _turn():
            yield CheckNetwork(private=False, local=True)
        return
    yield CheckNetwork(private=True, local=True)


@contextmanager
def _turn() -> Iterator[None]:
    """Wait until no other check of this user holds `localhost`."""
    path = Path(tempfile.gettempdir()) / f"testbeam-localhost-{os.getuid()}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def folder_of(check: CheckSpec, given: Path | None = None) -> Iterator[Path]:
    """Give the folder of a check: the one that was given, or a temporary one, which is removed if the block is left by an error."""
    folder = given or Path(tempfile.mkdtemp(prefix=f"testbeam-{check.name}-"))
    try:
        yield folder
    except BaseException:  # Ctrl-C above all: nobody will look into it
        if given is None:
            with interrupts.held():
                shutil.rmtree(folder, ignore_errors=True)
        raise


def run_check(check: CheckSpec, log: TestLog, given: Path | None = None) -> Result:
    """Run one check to its end; what failed keeps its folder, which the result names, and nothing else keeps a temporary one.

    A check that must have a network of its own is skipped where the kernel allows none.
    """
    if check.private and not private_net.is_allowed():
        return Result(name=check.name, script=check.script, elapsed_s=0.0, skipped=_NO_NETWORK)
    with folder_of(check, given) as folder:
        with network_of(check) as network, Driver(check, log=log, folder=folder, private=network.private, local=network.local) as driver:
            result = driver.test()
        if not result.ok:
            result.folder = folder
        elif given is None:
            shutil.rmtree(folder, ignore_errors=True)
        return result


def main(argv: Sequence[str]) -> int:
    """Run one check; write its result where it is asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="testbeam.driver")
    parser.add_argument("script", type=Path)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--quiet", action="store_true")
    asked = parser.parse_args(argv)
    log = TestLog(out=lambda _: None) if asked.quiet else TestLog()
    try:
        with interrupts.as_ctrl_c(signal.SIGTERM, signal.SIGHUP):
            result = run_check(load(asked.script), log, asked.folder)
    except TestbeamError as error:
        result = Result(name=asked.script.stem, script=asked.script.absolute(), elapsed_s=0.0, problem=str(error))
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    if asked.json is not None:
        asked.json.write_text(json.dumps(as_json([result])), encoding="utf-8")
    if not result.ok and not asked.quiet:
        print(f"\n{result.problem}\n{result.place}\n\n{result.explanation}", file=sys.stderr)  # noqa: T201
    return PASSED if result.ok else FAILED
