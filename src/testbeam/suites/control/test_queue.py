"""The queue of scripts: in order, never idle with something waiting; paused, continued and stopped at once, whatever the script does."""

import threading
import time

import pytest

from testbeam.clients.control import Client
from testbeam.errors import ControlError, ScriptFailed
from testbeam.wire.nicos.daemon_words import BreakLevel, ScriptStatus

ENDLESS = "while True: pass"


def wait_for(client: Client, *states: ScriptStatus, within_s: float = 60) -> float:
    begin_s = time.monotonic()
    while client.getstatus()["status"][0] not in states:
        assert time.monotonic() - begin_s < within_s, f"status is {client.getstatus()['status']}, not {states}"
        time.sleep(0.005)
    return time.monotonic() - begin_s


def start_endless(client: Client, code: str = ENDLESS) -> str:
    reqid = client.queue(code)
    wait_for(client, ScriptStatus.RUNNING)
    return reqid


def test_scripts_run_in_the_order_in_which_they_came(client: Client) -> None:
    client.execute("order = []")
    reqids = [client.queue(f"order.append({number})") for number in range(20)]
    client.wait_done(reqids[-1])

    assert client.eval("order") == list(range(20))


def test_start_is_refused_while_a_script_runs_and_queue_is_not(client: Client) -> None:
    from testbeam.wire.nicos.daemon_words import Command

    endless = start_endless(client)
    with pytest.raises(ControlError):
        client.ask(Command.START, "", "pass")
    client.queue("pass")
    client.stop_script(BreakLevel.AFTER_LINE)
    with pytest.raises(ScriptFailed):
        client.wait_done(endless)


def test_a_script_that_fails_says_why(client: Client) -> None:
    with pytest.raises(ScriptFailed, match="division by zero"):
        client.execute("x = 1\ny = x / 0")

    client.execute("z = 3")
    assert client.eval("z") == 3


def test_an_endless_script_is_paused_continued_and_stopped(client: Client) -> None:
    reqid = start_endless(client, "n = 0\nwhile True: n += 1")
    client.break_()
    wait_for(client, ScriptStatus.IN_BREAK)
    first = client.eval("n")
    assert client.eval("n") == first
    client.continue_()
    wait_for(client, ScriptStatus.RUNNING)
    client.stop_script()
    with pytest.raises(ScriptFailed):
        client.wait_done(reqid)


def test_a_sleep_is_paused_continued_and_stopped_like_a_step_of_a_scan(client: Client) -> None:
    reqid = start_endless(client, "sleep(600)")
    for _ in range(2):  # the first may be before it
        client.break_(BreakLevel.AFTER_STEP)
        wait_for(client, ScriptStatus.IN_BREAK)
        client.continue_()
        wait_for(client, ScriptStatus.RUNNING)
    client.stop_script(BreakLevel.AFTER_STEP)
    with pytest.raises(ScriptFailed):
        client.wait_done(reqid)


@pytest.mark.parametrize("code", [ENDLESS, "import time\ntime.sleep(600)", "sleep(600)"], ids=["loop", "time.sleep", "sleep"])
def test_an_emergency_stop_ends_any_script(client: Client, code: str) -> None:
    reqid = start_endless(client, code)
    client.emergency()

    with pytest.raises(ScriptFailed):
        client.wait_done(reqid)
    client.wait_idle()


def test_a_stop_takes_everything_off_the_queue(client: Client) -> None:
    client.execute("touched = False")
    endless = start_endless(client)
    waiting = client.queue("touched = True")
    client.stop_script()
    for reqid in (endless, waiting):
        with pytest.raises(ScriptFailed):
            client.wait_done(reqid)
    client.wait_idle()

    assert client.eval("touched") is False


def test_a_count_is_ended_early_and_the_script_goes_on(client: Client) -> None:
    reqid = client.queue("count(600)\nwent_on = True")
    wait_for(client, ScriptStatus.RUNNING)
    time.sleep(0.5)
    client.finish()
    client.wait_done(reqid)

    assert client.eval("went_on") is True


def test_a_paused_count_counts_no_time(client: Client) -> None:
    reqid = client.queue("count(2)")
    wait_for(client, ScriptStatus.RUNNING)
    time.sleep(0.3)
    client.break_(BreakLevel.NOW)
    wait_for(client, ScriptStatus.IN_BREAK)
    time.sleep(0.5)
    client.continue_()
    client.wait_done(reqid)

    assert client.eval("det.read(0)")[0] == pytest.approx(2, abs=0.3)


def test_counting_is_possible_after_a_stopped_scan(client: Client) -> None:
    reqid = client.queue("scan(SmokeBasicMoveable, [0, 1, 2, 3], t=1)")
    wait_for(client, ScriptStatus.RUNNING)
    time.sleep(0.6)
    client.stop_script(BreakLevel.AFTER_STEP)
    with pytest.raises(ScriptFailed):
        client.wait_done(reqid)

    client.count(0.2)


def test_the_daemon_is_never_idle_with_something_waiting(client: Client) -> None:
    seen, done = [], threading.Event()

    def watch() -> None:
        while not done.is_set():
            status = client.getstatus()
            if status["requests"] and status["status"][0] < 0:
                seen.append(status["requests"])

    watcher = threading.Thread(target=watch)
    watcher.start()
    reqids = [client.queue("pass") for _ in range(100)]
    client.wait_done(reqids[-1])
    done.set()
    watcher.join()

    assert not seen
