"""Instrument control with a part killed or frozen: what goes on, what stops, and what the user is told."""

import time
from collections.abc import Callable

import pytest

from testbeam.clients.control import Client
from testbeam.clients.waiting import subtest, wait_for_condition
from testbeam.errors import ScriptFailed
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.stacks.control import control_stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle

SETUPS = ("system", "epics_basic", "detector")


def a_killed_cache_stops_no_move_and_gets_back_what_it_knew(run: Run, client: Client) -> None:
    client.maw(client.dev("SmokeBasicMoveable"), 1)
    run["cache"].kill()
    client.maw(client.dev("SmokeBasicMoveable"), 2)
    assert client.read("SmokeBasicMoveable") == pytest.approx(2, abs=0.01)

    run["cache"].start()
    wait_for_condition(lambda: dict(client.eval("[(k, v) for k, v in [('x', session.cache._cache.connected)]]"))["x"], within_s=30)
    client.maw(client.dev("SmokeBasicMoveable"), 3)
    assert client.eval("session.experiment.proposal") == "1"


def a_frozen_cache_stops_no_scan(run: Run, client: Client) -> None:
    with run["cache"].paused():
        client.scan(client.dev("SmokeBasicMoveable"), [0, 1], t=0.1, timeout=30)

    assert client.read("SmokeBasicMoveable") == pytest.approx(1, abs=0.01)


def a_killed_poller_comes_back_and_polls(run: Run, client: Client) -> None:
    run["poller"].kill()
    client.maw(client.dev("SmokeBasicMoveable"), 1.5)
    run["poller"].start()

    from testbeam.transport.nicos.cache import CacheClient

    host, _, port = run["cache"].endpoints["cache"].partition(":")
    cache = CacheClient(host, int(port))
    try:
        run["pva_server"].pv("TEST:SMOKE:MOVE.VAL").put(4.5)  # type: ignore[attr-defined]
        wait_for_condition(
            lambda: (value := cache.get("smokebasicmoveable/value")) is not None and value.value == pytest.approx(4.5), within_s=30
        )
    finally:
        cache.close()


def a_lost_ioc_fails_the_move_by_name_and_is_used_again_when_it_is_back(run: Run, client: Client) -> None:
    client.maw(client.dev("SmokeBasicMoveable"), 1)
    run["pva_server"].kill()
    wait_for_condition(lambda: "disconnected" in client.status("SmokeBasicMoveable")[1], within_s=30)
    with pytest.raises(ScriptFailed, match=r"TEST:SMOKE:MOVE"):
        client.maw(client.dev("SmokeBasicMoveable"), 2)

    run["pva_server"].start()
    wait_for_condition(lambda: "disconnected" not in client.status("SmokeBasicMoveable")[1], within_s=30)
    client.maw(client.dev("SmokeBasicMoveable"), 2)
    assert client.status("SmokeBasicMoveable")[0] == 200


def an_ioc_lost_in_mid_move_ends_the_move(run: Run, client: Client) -> None:
    client.maw(client.dev("SmokeBasicMoveable"), 1)
    reqid = client.queue("maw(SmokeBasicMoveable, 9)")
    time.sleep(0.1)
    run["pva_server"].kill()
    with pytest.raises(ScriptFailed, match=r"SmokeBasicMoveable"):
        client.wait_done(reqid, timeout=20)
    run["pva_server"].start()
    wait_for_condition(lambda: "disconnected" not in client.status("SmokeBasicMoveable")[1], within_s=30)
    client.maw(client.dev("SmokeBasicMoveable"), 1)


def a_restarted_daemon_knows_experiment_numbers_and_limits(run: Run, client: Client) -> None:
    client.execute("SmokeBasicMoveable.userlimits = (-5, 5)")
    client.scan(client.dev("SmokeBasicMoveable"), [0, 1], t=0.1)
    last = client.eval("session.experiment.lastscan")
    run["daemon"].restart()

    with run["daemon"].client(user="admin", password="admin") as again:  # type: ignore[attr-defined]
        assert again.eval("session.experiment.proposal") == "1"
        assert again.eval("session.experiment.detlist") == ["det"]
        assert again.eval("session.experiment.lastscan") == last
        with pytest.raises(ScriptFailed, match="-5 to 5"):
            again.maw(again.dev("SmokeBasicMoveable"), 8)
        again.execute("resetlimits(SmokeBasicMoveable)")


def a_killed_file_writer_fails_its_job_and_says_so(run: Run, client: Client) -> None:
    client.execute("start_filewriting('lost')")
    wait_for_condition(lambda: client.eval("FileWriterControl.list_jobs()")[-1][2] == "STARTED", within_s=30)
    run["filewriter"].kill()

    row = wait_for_condition(lambda: [row for row in client.eval("FileWriterControl.list_jobs()") if row[2] == "FAILED"], within_s=40)[-1]
    assert "said nothing" in row[4]
    with pytest.raises(ScriptFailed, match="in progress"):
        client.execute("start_filewriting()")
    client.execute("stop_filewriting()")
    run["filewriter"].start()  # which finishes the job that it was killed in
    wait_for_condition(
        lambda: [r for r in client.eval("FileWriterControl.list_jobs()") if (r[0], r[2]) == (row[0], "WRITTEN")], within_s=60
    )


def a_killed_forwarder_is_told_and_gets_its_streams_again(run: Run, client: Client) -> None:
    wait_for_condition(lambda: "TEST:SMOKE:MOVE.RBV" in client.eval("list(KafkaForwarder.forwarded)"), within_s=30)
    run["forwarder"].kill()
    wait_for_condition(lambda: client.status("KafkaForwarder")[1] == "Disconnected", within_s=20)
    client.maw(client.dev("SmokeBasicMoveable"), 2)

    run["forwarder"].start()
    wait_for_condition(lambda: client.status("KafkaForwarder")[0] == 200, within_s=30)


def a_killed_collector_sends_what_is_new_when_it_is_back(run: Run, client: Client) -> None:
    from testbeam.model.samples import LogValue
    from testbeam.wire.flatbuffers import registry

    run["collector"].kill()
    client.maw(client.dev("SmokeBasicMoveable"), 6.5)
    run["collector"].start()

    def sent() -> bool:
        decoded = [registry.decode(one.payload) for one in run["broker"].topic("test_smoke_nicos_devices").messages()]  # type: ignore[attr-defined]
        values = [one for one in decoded if isinstance(one, LogValue) and one.source_name == "smokebasicmoveable"]
        return any(float(one.value) == pytest.approx(6.5, abs=0.01) for one in values)

    wait_for_condition(sent, within_s=30)


def a_scan_goes_on_without_poller_and_collector(run: Run, client: Client) -> None:
    reqid = client.queue("scan(SmokeBasicMoveable, [0, 1, 2, 3], t=0.2)")
    time.sleep(0.5)
    run["poller"].kill()
    run["collector"].kill()
    client.wait_done(reqid, timeout=30)

    assert client.read("SmokeBasicMoveable") == pytest.approx(3, abs=0.01)
    run["poller"].start()
    run["collector"].start()


def every_part_ends_in_order_with_the_cache_gone(run: Run, _client: Client) -> None:
    run["cache"].kill()
    for part in ("daemon", "poller", "collector"):
        handle = run[part]
        handle.stop()
        assert handle.exit_code == 0, f"{part} ended with {handle.exit_code}: {handle.log_tail()}"
    for part in ("cache", "poller", "collector", "daemon"):
        run[part].start()


Case = Callable[[Run, Client], None]
OWN_PARTS: tuple[Case, ...] = (
    a_killed_cache_stops_no_move_and_gets_back_what_it_knew,
    a_frozen_cache_stops_no_scan,
    a_killed_poller_comes_back_and_polls,
    a_restarted_daemon_knows_experiment_numbers_and_limits,
    a_killed_collector_sends_what_is_new_when_it_is_back,
    a_scan_goes_on_without_poller_and_collector,
    every_part_ends_in_order_with_the_cache_gone,
)
BEHIND: tuple[Case, ...] = (
    a_lost_ioc_fails_the_move_by_name_and_is_used_again_when_it_is_back,
    an_ioc_lost_in_mid_move_ends_the_move,
    a_killed_file_writer_fails_its_job_and_says_so,
    a_killed_forwarder_is_told_and_gets_its_streams_again,
)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("cases", [OWN_PARTS, BEHIND], ids=["a part of control", "what is behind it"])
def test_what_goes_on_when_something_is_gone(shared_broker: BrokerHandle, cases: tuple[Case, ...]) -> None:
    """One stack for all cases of a kind: a start of it is dearer than most of them."""
    stack: Stack = control_stack(bootstrap=shared_broker.bootstrap, load=SETUPS)
    with stack.run() as run:
        for case in cases:
            with subtest(case.__name__), run["daemon"].client(user="admin", password="admin") as client:  # type: ignore[attr-defined]
                client.NewExperiment(1, "faults")
                client.SetDetectors("det")
                case(run, client)
