import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbeam.errors import StackError
from testbeam.kit.handle import Handle
from testbeam.kit.probes.file import FileExists
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.kit.state import State
from tests.integration.faults.breakable import client, clock, counted, counter, state_of, writer
from tests.integration.kit.runners import until

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def told(handle: Handle) -> tuple[int, int, int]:
    """Return how often a writer could write, how often not, and its last errno."""
    written, failed, number = map(int, (handle.folder / "told").read_bytes().split())
    return written, failed, number


def cpu_s(handle: Handle) -> float:
    fields = Path(f"/proc/{handle.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_slow_consumer_gets_its_share_of_the_time_and_all_of_it_after_the_block() -> None:
    with Stack(counter()).run() as run:
        handle = run["counter"]
        with handle.slow_consumer(share=0.2, period_s=0.05):
            before, started_s = cpu_s(handle), time.monotonic()
            time.sleep(1)
            share = (cpu_s(handle) - before) / (time.monotonic() - started_s)
        assert 0.01 < share < 0.45
        now = counted(handle)
        until(lambda: counted(handle) > now, 60)


def test_of_several_shares_the_smallest_counts() -> None:
    with Stack(counter()).run() as run:
        handle = run["counter"]
        with handle.slow_consumer(share=0.9), handle.slow_consumer(share=0.1, period_s=0.05):
            before = cpu_s(handle)
            time.sleep(1)
            assert cpu_s(handle) - before < 0.4


def test_a_pause_of_a_slow_consumer_is_a_pause() -> None:
    with Stack(counter()).run() as run:
        handle = run["counter"]
        with handle.slow_consumer(share=0.5, period_s=0.02):
            with handle.paused():
                before = counted(handle)
                time.sleep(0.2)
                assert counted(handle) == before
                assert state_of(handle) is State.PAUSED
            until(lambda: counted(handle) > before, 60)
        assert state_of(handle) is State.READY


def test_a_slow_consumer_that_is_killed_and_started_is_slow_still() -> None:
    with Stack(counter()).run() as run:
        handle = run["counter"]
        with handle.slow_consumer(share=0.1, period_s=0.05):
            handle.restart()
            before = cpu_s(handle)
            time.sleep(1)
            assert cpu_s(handle) - before < 0.4


def test_a_service_on_a_full_disk_sees_the_error_and_writes_again_after_the_block() -> None:
    with Stack(writer()).run() as run:
        handle = run["writer"]
        with handle.disk_full():
            until(lambda: told(handle)[1] > 3, 60)
            written, _, number = told(handle)
            size = (handle.folder / "data").stat().st_size
            until(lambda: told(handle)[1] > 10, 60)
            assert (told(handle)[0], (handle.folder / "data").stat().st_size) == (written, size)
            assert number == errno.EFBIG
        until(lambda: told(handle)[0] > written, 60)
        run.check()


def test_a_disk_may_be_full_only_after_some_more_bytes() -> None:
    with Stack(writer()).run() as run:
        handle = run["writer"]
        with handle.disk_full(after_bytes=5_000) as fault:
            until(lambda: told(handle)[1] > 0, 60)
            assert (handle.folder / "data").stat().st_size <= fault.limit_bytes
            assert fault.limit_bytes - (handle.folder / "data").stat().st_size < 100
            with handle.disk_full():
                pass
            full_at = told(handle)[1]
            until(lambda: told(handle)[1] > full_at, 5)  # the outer one lasts
        written = told(handle)[0]
        until(lambda: told(handle)[0] > written, 60)


def test_a_program_that_a_full_disk_would_end_by_a_signal_is_refused_unless_the_signal_is_ignored() -> None:
    shell = Service(
        "shell",
        command=(
            "sh",
            "-c",
            "exec 3>>data; for i in $(seq 500); do echo x >&3; done; mv data full; while :; do echo x >&3; sleep 0.01; done",
        ),
        ready=FileExists("full"),
    )
    ignoring = shell.configured(name="ignoring", command=("env", "--ignore-signal=XFSZ", *shell.command))
    with Stack(shell, ignoring).run() as run:
        with pytest.raises(StackError, match=r"'shell' would be ended by SIGXFSZ .*env.*--ignore-signal=XFSZ"):
            run["shell"].disk_full().begin()
        with run["ignoring"].disk_full():
            until(lambda: "I/O error" in run["ignoring"].get_stderr(), 60)
        run.check()


def test_a_shifted_clock_is_seen_at_once_and_monotonic_time_goes_on() -> None:
    def now_s() -> tuple[float, float]:
        with client(run["clock"], "tcp") as one:
            wall_ns, monotonic_ns = map(int, one.recv(100).split())
        return wall_ns / 1e9 - time.time(), monotonic_ns / 1e9 - time.monotonic()

    with Stack(clock()).run() as run:
        assert now_s() == pytest.approx((0, 0), abs=1)
        with run["clock"].clock_shifted(+3600):
            assert now_s() == pytest.approx((3600, 0), abs=1)
            with run["clock"].clock_shifted(-7200):
                assert now_s() == pytest.approx((-3600, 0), abs=1)
                run["clock"].restart()
                assert now_s() == pytest.approx((-3600, 0), abs=1)
            assert now_s() == pytest.approx((3600, 0), abs=1)
        assert now_s() == pytest.approx((0, 0), abs=1)


def test_a_clock_that_is_the_programs_own_can_not_be_shifted() -> None:
    with (
        Stack(counter()).run() as run,
        pytest.raises(StackError, match=r"clock_shifted: service 'counter' has no injected clock; .*TESTBEAM_CLOCK_FILE"),
    ):
        run["counter"].clock_shifted(1).begin()
    claims = counter().configured(env={"TESTBEAM_CLOCK_FILE": "${dir}/clock"})
    with Stack(claims).run() as run, pytest.raises(StackError, match=r"has no injected clock; .* maps the file"):
        run["counter"].clock_shifted(1).begin()


def test_a_runner_that_is_killed_leaves_neither_stopped_services_nor_its_proxy(tmp_path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
from testbeam.kit.stack import Stack
from tests.integration.faults.breakable import counter, echo
with Stack(counter(), echo()).run(sys.argv[1]) as run:
    run["counter"].paused().begin()
    run["echo"].slow_consumer().begin()
    run["echo"].link(latency_ms=5).begin()
    Path(sys.argv[1], "pids").write_text(f"{run['counter'].pid} {run['echo'].pid} {run.links.pid} {run.id}")
    time.sleep(1000)
"""
    from testbeam.kit import guard
    from tests.integration.kit.small_services import is_alive

    folder = tmp_path / "run"
    runner = subprocess.Popen([sys.executable, "-c", program, str(folder)], cwd=Path(__file__).parents[3])
    try:
        until(lambda: (folder / "pids").exists() and len((folder / "pids").read_text().split()) == 4, 60)
    finally:
        runner.send_signal(signal.SIGKILL)
        runner.wait()
    *pids, run_id = (folder / "pids").read_text().split()
    until(lambda: not any(is_alive(int(pid)) for pid in pids) and guard.marked(run_id) == [], 2)
