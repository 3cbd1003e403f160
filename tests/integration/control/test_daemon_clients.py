"""Many clients of one daemon: those who come and go, those who listen to nothing, and files that can't be kept."""

import base64
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from testbeam.clients.control import Client
from testbeam.clients.waiting import wait_for_condition
from testbeam.errors import ControlError, ScriptFailed, TransportError
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.control.declaration import control
from testbeam.transport.nicos.cache import CacheClient
from testbeam.wire.nicos.daemon_words import Command, Event

wait_for = partial(wait_for_condition, within_s=30)
SETUP = """
devices = dict(
    m=device("nicos.devices.generic.VirtualMotor", speed=1, abslimits=(-10, 10), unit="mm"),
    cryo=device("nicos.devices.generic.VirtualMotor", speed=0.5, abslimits=(0, 300), unit="K", ignore_general_stop=True),
    timer=device("nicos.devices.generic.VirtualTimer"),
    det=device("nicos.devices.generic.Detector", timers=["timer"]),
    Exp=device("nicos_ess.devices.experiment.EssExperiment", dataroot={root!r}),
)
sysconfig = dict(experiment="Exp")
"""
USERS = "admin admin plain secret\nuser user plain user\nguest guest plain guest\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A daemon with a cache, and neither Kafka nor EPICS."""
    folder = tmp_path_factory.mktemp("setups")
    (folder / "one.py").write_text(SETUP.format(root=str(folder / "data")))
    (folder / "broken.py").write_text('devices = dict(x=device("nicos.devices.generic.VirtualMotor", abslimits="nonsense"))')
    passwords = folder / "passwords"
    passwords.write_text(USERS)
    parts = (
        control(name="cache", part="cache"),
        control(setups=[folder], load=["one"], passwords=passwords, iocs=(), broker="cache", env={"TESTBEAM_CONTROL_BROKERS": "none"}),
    )
    service = parts[1].configured(needs=("cache",), env={"TMPDIR": "${dir}"}, options={**parts[1].options, "topics": ()})
    with Stack(parts[0], service).run() as running:
        yield running


@pytest.fixture
def client(run: Run) -> Iterator[Client]:
    with run["daemon"].client(user="admin", password="secret") as connected:  # type: ignore[attr-defined]
        yield connected


def test_a_steady_client_gets_every_event_while_others_come_and_go(run: Run) -> None:
    told: list[Any] = []

    def take(event: Event, data: Any) -> None:
        if event is Event.MESSAGE and data[3].startswith("line "):
            told.append(int(data[3].split()[1]))

    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            run["daemon"].client(user="user", password="user").close()  # type: ignore[attr-defined]

    others = [threading.Thread(target=come_and_go) for _ in range(4)]
    with run["daemon"].client(user="admin", password="secret", on_event=take) as steady:  # type: ignore[attr-defined]
        for one in others:
            one.start()
        steady.execute("for n in range(2000): print('line', n)", timeout=60)
        end_s = time.monotonic() + 20
        while len(told) < 2000 and time.monotonic() < end_s:
            time.sleep(0.02)
        stop.set()
        for one in others:
            one.join()

    assert told == list(range(2000))


@pytest.mark.parametrize("part", ["daemon", "cache"])
def test_many_idle_connections_block_nobody(run: Run, part: str) -> None:
    host, _, port = run[part].endpoints[part].partition(":")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    idle = [socket.create_connection((host, int(port)), 5) for _ in range(1100)]  # more than a select() can tell
    for number, one in enumerate(idle):
        one.sendall(os.urandom(number % 17).replace(b"\n", b""))
    try:
        with run["daemon"].client(user="user", password="user") as another:  # type: ignore[attr-defined]
            assert another.eval("6 * 7") == 42
            another.execute("m.warnlimits = (0, 5)")
        cache = CacheClient(*cache_address(run))
        try:
            wait_for(lambda: (found := cache.get("m/warnlimits")) is not None and tuple(found.value) == (0, 5))
        finally:
            cache.close()
    finally:
        for one in idle:
            one.close()


def test_a_cache_that_is_full_says_so_and_goes_on() -> None:
    cache = control(name="cache", part="cache")
    with Stack(cache.configured(command=(*cache.command, "--limit-mb", "1"))).run() as run:
        hostile, honest = CacheClient(*cache_address(run)), CacheClient(*cache_address(run))
        try:
            honest.put("m/value", 1)
            assert hostile.wait_connected(10)
            for number in range(2000):
                hostile.put(f"filler/key{number}", "x" * 1000)
            wait_for(lambda: "full: " in run["cache"].log_path.read_text())
            honest.put("m/value", 2)
            wait_for(lambda: (found := hostile.get("m/value")) is not None and found.value == 2)
        finally:
            hostile.close()
            honest.close()


def cache_address(run: Run) -> tuple[str, int]:
    host, _, port = run["cache"].endpoints["cache"].partition(":")
    return host, int(port)


def test_a_value_from_the_far_future_keeps_no_later_one_away(run: Run) -> None:
    place = run["cache"].endpoints["cache"].partition(":")
    teller, other, listener = (CacheClient(place[0], int(place[2])) for _ in range(3))
    try:
        assert all(one.wait_connected(30) for one in (teller, other, listener))
        teller.put("future/value", 1, time_s=time.time() + 1e9)
        wait_for(lambda: listener.get("future/value") is not None)
        other.put("future/value", 2)
        wait_for(lambda: getattr(listener.get("future/value"), "value", None) == 2)
    finally:
        for one in (teller, other, listener):
            one.close()


def test_a_huge_message_is_cut_and_said_so(client: Client) -> None:
    client.execute("print('x' * 30_000_000)", timeout=60)

    assert "cut: 30000000 characters" in client.messages(1)[0][3] or any("cut: 30000000" in one[3][-60:] for one in client.messages(3))


def test_a_device_that_cannot_be_made_fails_the_setup_by_name(client: Client) -> None:
    with pytest.raises(ScriptFailed, match=r"x \(.*broken.py, line 1\):.*abslimits"):
        client.AddSetup("broken")
    client.RemoveSetup("broken")

    assert client.read("m") == pytest.approx(0)


def test_no_password_is_in_any_log(run: Run) -> None:
    for password in ("secret-but-wrong", "another-wrong-one"):
        with pytest.raises(Exception, match="invalid"):
            run["daemon"].client(user="admin", password=password)  # type: ignore[attr-defined]

    logs = "".join(path.read_text(errors="replace") for path in (Path(run.folder) / "log").glob("*.log"))
    assert "wrong" not in logs
    assert "secret" not in logs


def test_a_dry_run_tells_time_and_ranges_and_moves_nothing(run: Run) -> None:
    results: list[Any] = []
    with run["daemon"].client(  # type: ignore[attr-defined]
        user="admin", password="secret", on_event=lambda event, data: results.append(data) if event is Event.SIMRESULT else None
    ) as client:
        client.maw(client.dev("m"), 0)
        client.simulate("SetDetectors(det)\nscan(m, [1, 5], t=2)")
        client.simulate("maw(m, 500)")
        end_s = time.monotonic() + 60
        while len(results) < 2 and time.monotonic() < end_s:
            time.sleep(0.02)
        seconds, ranges, _ = results[0]

        assert seconds == pytest.approx(5 + 4, abs=0.1)
        assert ranges["m"][2].startswith("5")
        assert results[1][0] == -1
        assert client.read("m") == pytest.approx(0)


def test_an_endless_dry_run_ends(run: Run, client: Client) -> None:
    begin_s = time.monotonic()
    client.simulate("while True: pass")

    assert time.monotonic() - begin_s < 60
    assert client.eval("1") == 1


def test_a_running_script_is_changed_behind_what_has_been_run(client: Client) -> None:
    reqid = client.queue("a = 1\nsleep(0.5)\na = 2")
    time.sleep(0.2)
    client.ask(Command.UPDATE, "a = 1\nsleep(0.5)\na = 3", "better", None)
    client.wait_done(reqid)

    assert client.eval("a") == 3


def test_a_file_of_a_client_is_kept_and_what_is_none_is_refused(client: Client) -> None:
    path = client.ask(Command.TRANSFER, base64.b64encode(b"a mask").decode())
    assert Path(path).read_bytes() == b"a mask"
    with pytest.raises(ControlError, match="not base64"):
        client.ask(Command.TRANSFER, "no base64 at all")


def test_history_is_asked_for_through_the_daemon(client: Client) -> None:
    client.execute("m.speed = 2\nm.speed = 3")
    found = client.ask(Command.GETHISTORY, "m/speed", time.time() - 60, time.time() + 1)

    assert [value for _, value in found][-2:] == [2, 3]
    client.execute("m.speed = 1")


def test_speed_comes_back_after_a_stopped_continuous_scan(client: Client) -> None:
    client.execute("m.speed = 100\nmaw(m, 0)\nm.speed = 1\nSetDetectors(det)")
    reqid = client.queue("contscan(m, 0, 8, 2.0, 0.2)")
    time.sleep(0.7)
    client.stop_script(2)
    with pytest.raises(ScriptFailed):
        client.wait_done(reqid, timeout=60)

    assert client.eval("m.speed") == 1
    assert client.status("m")[0] != 220


def test_an_emergency_stop_leaves_what_must_go_on(client: Client) -> None:
    client.execute("m.speed = 1\nmove(m, 8)\nmove(cryo, 100)")
    client.emergency()
    wait_for(lambda: client.status("m")[0] != 220)
    assert client.status("cryo")[0] == 220

    client.execute("stop(cryo)\nmaw(m, 0)")
    assert client.status("cryo")[0] != 220


STUBBORN = "while True:\n    try:\n        time.sleep(0.5)\n    except:\n        pass"


def test_a_script_that_catches_every_stop_is_ended_by_the_next_emergency_stop(client: Client) -> None:
    client.queue(f"import time\n{STUBBORN}")
    wait_for(lambda: client.ask(Command.GETSTATUS)["status"] == [0, 4])
    wait_for(lambda: is_idle_after_another_emergency_stop(client))
    client.execute("pass")


def is_idle_after_another_emergency_stop(client: Client) -> bool:
    client.ask(Command.EMERGENCY)
    time.sleep(0.5)
    return int(client.ask(Command.GETSTATUS)["status"][0]) < 0


UNTELLABLE = """
class Odd(Exception):
    def __str__(self): raise ValueError
raise Odd
"""


def test_what_cannot_be_told_of_a_script_ends_neither_daemon_nor_connection(client: Client) -> None:
    with pytest.raises(ScriptFailed, match="Odd, which can't be told: ValueError"):
        client.execute(UNTELLABLE)
    reqid = client.ask(Command.QUEUE, "name \ud800", "1/0")
    with pytest.raises(ScriptFailed, match="ZeroDivisionError"):
        client.wait_done(str(reqid))
    with pytest.raises(ControlError, match="SystemExit"):
        client.eval("exit()")
    for command, arguments in ((Command.GETMESSAGES, ["x"]), (Command.GETHISTORY, ["m/value", "nan", 1]), (Command.SIMULATE, [5, 7])):
        with pytest.raises(ControlError, match="is no"):
            client.ask(command, *arguments)
    assert client.eval("1 + 1") == 2


def test_commands_that_a_script_has_deleted_or_overwritten_are_put_back_for_the_next(client: Client) -> None:
    client.execute("maw = 5\ndel NewSetup\nsession = None")
    client.execute("maw(m, m.read(0))")
    told = "".join(str(message[3]) for message in client.ask(Command.GETMESSAGES, 20))
    assert "commands that a script had deleted or given values are put back: NewSetup, maw" in told
    assert client.eval("session.mode") == "master"


def test_a_pause_in_the_last_point_holds_the_queue_after_it(client: Client) -> None:
    client.execute("SetDetectors(det)\nlater = 0")
    scan, after = client.queue("scan(m, [0], t=0.5)"), client.queue("later = 1")
    wait_for(lambda: client.status("det")[0] == 220)
    client.break_(2)
    wait_for(lambda: client.getstatus()["status"][0] == 1)
    assert len(client.ask(Command.GETDATASET, -1)["xvalues"]) == 1
    assert (client.eval("later"), len(client.getstatus()["requests"])) == (0, 1)

    client.continue_()
    client.wait_done(scan)
    client.wait_done(after)
    assert client.eval("later") == 1


def test_a_scan_within_a_scan_is_refused(client: Client) -> None:
    client.execute("SetDetectors(det)")
    with pytest.raises(ScriptFailed, match="scan within a scan"):
        client.execute("with manualscan(m):\n    scan(m, [0, 0], t=0.1)")

    client.execute("with manualscan(m):\n    count(0.1)\n    count(0.1)")


def test_a_time_scan_of_any_length_begins_at_once(client: Client) -> None:
    client.execute("SetDetectors(det)")
    reqid = client.queue("timescan(10**9, t=0.05)")
    time.sleep(0.5)
    client.finish()
    client.stop_script(2)
    with pytest.raises(ScriptFailed):
        client.wait_done(reqid, timeout=60)


def test_a_script_asks_and_an_answer_lets_it_go_on(run: Run) -> None:
    asked: list[Any] = []
    with run["daemon"].client(  # type: ignore[attr-defined]
        user="admin", password="secret", on_event=lambda event, data: asked.append(data) if event is Event.PROMPT else None
    ) as client:
        reqid = client.queue("far = userinput('how far?', float)")
        wait_for(lambda: asked and client.getstatus()["status"][0] == 1)
        assert client.getstatus()["prompt"] == asked[0]
        with pytest.raises(ControlError, match="is no float"):
            client.answer("near")
        client.answer("2.5")
        client.wait_done(reqid)
        assert client.eval("far") == 2.5

        reqid = client.queue("pause('look at it')")
        wait_for(lambda: len(asked) > 1 and client.getstatus()["status"][0] == 1)
        assert asked[1][0] == "look at it"
        client.continue_()
        client.wait_done(reqid)
        assert client.getstatus()["prompt"] is None


def test_the_end_of_a_scan_is_estimated_while_it_runs(run: Run) -> None:
    told: list[Any] = []
    with run["daemon"].client(  # type: ignore[attr-defined]
        user="admin", password="secret", on_event=lambda event, data: told.append(data) if event is Event.ETA else None
    ) as client:
        client.execute("m.speed = 1\nmaw(m, 0)\nSetDetectors(det)")
        began_s = time.time()
        reqid = client.queue("for n in range(2):\n    scan(m, [1, 2], t=20)")
        wait_for(lambda: told and told[-1][0] == 3)
        assert told[-1][1] - began_s == pytest.approx(2 * 40 + 4, abs=5)
        assert list(client.getstatus()["eta"]) == list(told[-1])
        client.stop_script(5)
        with pytest.raises(ScriptFailed):
            client.wait_done(reqid)
        assert client.getstatus()["eta"][0] == 1


def test_a_script_is_debugged_from_a_client(run: Run) -> None:
    told: list[Any] = []
    with run["daemon"].client(  # type: ignore[attr-defined]
        user="admin", password="secret", on_event=lambda event, data: told.append((event, data))
    ) as client:

        def said(text: str) -> bool:
            return any(event is Event.MESSAGE and data[0] == "debugger" and text in data[3] for event, data in told)

        reqid = client.debug("a = 1\nb = a + 1\nc = b + 1\n")
        wait_for(lambda: said("<script>(1)"))
        assert (Event.DEBUGGING, True) in told
        client.debug_input("n")
        wait_for(lambda: said("<script>(2)"))
        client.debug_input("p a + 41")
        wait_for(lambda: said("42"))
        client.debug_input("c")
        client.wait_done(reqid)
        assert (client.eval("c"), (Event.DEBUGGING, False) in told) == (3, True)

        reqid = client.debug("for n in range(10):\n    last = n\n")
        wait_for(lambda: sum(data is True for event, data in told if event is Event.DEBUGGING) == 2)
        client.debug_input("q")
        with pytest.raises(ScriptFailed, match="ended by the debugger"):
            client.wait_done(reqid)


def test_a_running_script_is_taken_by_the_debugger_and_let_go_again(run: Run) -> None:
    told: list[Any] = []
    with run["daemon"].client(  # type: ignore[attr-defined]
        user="admin", password="secret", on_event=lambda event, data: told.append((event, data))
    ) as client:
        with pytest.raises(ControlError, match="no script is running"):
            client.debug()
        reqid = client.queue("go_on, seen = True, 0\nwhile go_on:\n    seen += 1\n    sleep(0.01)\nprint('over')")
        wait_for(lambda: client.eval("seen", default=0) > 2)
        client.debug()
        with pytest.raises(ControlError, match="has the script already"):
            client.debug()
        wait_for(lambda: any(event is Event.MESSAGE and data[0] == "debugger" and "<testbeam>(" in data[3] for event, data in told))
        client.debug_input("!go_on = False")
        client.debug_input("c")
        client.wait_done(reqid)
        with pytest.raises(ControlError, match="no script"):
            client.debug_input("n")

        told.clear()
        reqid = client.debug("while True: pass")
        wait_for(lambda: (Event.DEBUGGING, True) in told)
        client.debug_input("c")
        client.emergency()
        with pytest.raises(ScriptFailed):
            client.wait_done(reqid)
        assert client.eval("6 * 7") == 42


def test_a_client_of_a_daemon_that_died_is_told_at_once(run: Run) -> None:
    with run["daemon"].client(user="admin", password="secret") as waiting:  # type: ignore[attr-defined]
        reqid = waiting.queue("sleep(600)")
        run["daemon"].kill()
        with pytest.raises(TransportError, match="daemon at"):
            waiting.wait_done(reqid, timeout=120)
        with pytest.raises(TransportError):
            waiting.eval("1")
    run["daemon"].start()
