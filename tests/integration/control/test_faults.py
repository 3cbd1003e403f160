"""Instrument control with a part killed or frozen, in the midst of a scan: what goes on, what stops, and what the user is told."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from testbeam.clients.control import Client
from testbeam.clients.waiting import subtest, wait_for_condition
from testbeam.errors import ScriptFailed, TransportError
from testbeam.kit.run import Run
from testbeam.stacks.control import control_stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle
from testbeam.stacks.topics import Topics
from testbeam.transport.nicos.cache import CacheClient
from testbeam.wire.nicos.daemon_words import Command

wait_for = partial(wait_for_condition, within_s=30)
TOPICS = Topics(prefix=f"faults-{uuid4().hex[:8]}")  # a job that a writer leaves is any other's of the pool
SETUPS = ("system", "epics_basic", "detector")
FAULT_S = 1.0  # how long a part is frozen that nothing goes on without


def job(client: Client) -> Any:
    """Return the row of the newest job: id, number, state, whether it is asked to stop, error, service id, file."""
    return client.eval("FileWriterControl.list_jobs()")[-1]


def is_told(client: Client, text: str) -> list[str]:
    """Return what the messages of now say after a text and a word, up to a semicolon."""
    told = [str(message[3]).strip() for message in client.ask(Command.GETMESSAGES, "*")]
    return [message.removeprefix(text).split(maxsplit=1)[1].partition(";")[0] for message in told if message.startswith(text)]


class EndlessScan:
    """A scan of as many points as a test takes, within a file."""

    SCRIPT = """
go_on, done = True, 0
with nexusfile_open('faults'), manualscan(SmokeBasicMoveable):
    while go_on:
        maw(SmokeBasicMoveable, done % 3)
        count(0.05)
        done += 1
"""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.reqid = client.queue(self.SCRIPT)
        self.goes_on()

    def goes_on(self, points: int = 2) -> None:
        """Wait until further points are done."""
        before = self.client.eval("done", default=0)
        wait_for(lambda: self.client.eval("done", default=0) >= before + points)

    def end(self) -> int:
        """End the scan; return how many points were done."""
        self.client.ask(Command.EXEC, "go_on = False")
        self.client.wait_done(self.reqid, timeout=60)
        return int(self.client.eval("done"))


def a_scan_goes_on_whatever_happens_to_what_it_does_not_need(run: Run, client: Client) -> None:
    scan = EndlessScan(client)
    wait_for(lambda: job(client)[2] == "STARTED")
    for part in ("cache", "poller", "collector", "forwarder", "filewriter"):
        with subtest(f"{part} frozen"), run[part].paused():
            scan.goes_on()
    for part in ("cache", "poller", "collector", "forwarder"):
        with subtest(f"{part} killed"), run[part].killed():
            scan.goes_on()
    with subtest("the user is told of the cache"):
        wait_for(lambda: is_told(client, "the cache at") == ["is lost", "is back"])
    for part in ("pva_server", "daemon"):
        with subtest(f"{part} frozen for a moment"):
            with run[part].paused():
                time.sleep(FAULT_S)
            scan.goes_on()
    first = job(client)[5]
    with subtest("the file-writer killed, and another there"), run["filewriter"].killed():
        scan.goes_on()
    points = scan.end()
    data = client.ask(Command.GETDATASET, -1)

    assert [round(x[0]) for x in data["xvalues"]] == [n % 3 for n in range(points)], "no point lost or doubled"
    assert (data["ended"], client.eval("session.experiment.proposal")) == ("finished", "1")
    assert job(client)[2] == "STARTED" or job(client)[5] != first, "done before the next file-writer had the job"
    wait_for(lambda: job(client)[2] == "WRITTEN", within_s=60)
    assert job(client)[5] != first, "by the file-writer that took it up"


def a_killed_daemon_comes_back_with_its_state_and_its_clients_are_told(run: Run, client: Client) -> None:
    client.execute("SmokeBasicMoveable.userlimits = (-5, 5)")
    last = client.eval("session.experiment.lastscan") + 1
    reqid = client.queue("scan(SmokeBasicMoveable, [0, 1] * 100, t=0.1)")
    wait_for(lambda: client.eval("session.experiment.lastscan") == last)
    wait_for(lambda: client.eval("session.devices['SmokeBasicMoveable'].target") == 1)
    run["daemon"].kill()
    with pytest.raises(TransportError, match="daemon at"):
        client.wait_done(reqid)
    run["daemon"].start()

    with run["daemon"].client(user="admin", password="admin") as again:  # type: ignore[attr-defined]
        assert again.getstatus()["status"][0] == -1
        assert again.eval("session.experiment.proposal") == "1"
        assert again.eval("session.experiment.detlist") == ["det"]
        assert again.eval("session.experiment.lastscan") == last
        with pytest.raises(ScriptFailed, match="-5 to 5"):
            again.maw(again.dev("SmokeBasicMoveable"), 8)
        again.execute("resetlimits(SmokeBasicMoveable)\nscan(SmokeBasicMoveable, [0], t=0.05)")
        assert again.eval("session.experiment.lastscan") == last + 1


def a_collector_and_a_poller_that_were_killed_take_up_what_is_new(run: Run, client: Client) -> None:
    from testbeam.model.samples import LogValue
    from testbeam.wire.flatbuffers import registry

    with run["collector"].killed(), run["poller"].killed():
        client.maw(client.dev("SmokeBasicMoveable"), 6.5)

    def sent() -> bool:
        decoded = [registry.decode(one.payload) for one in run["broker"].topic(f"{TOPICS.prefix}_nicos_devices").messages()]  # type: ignore[attr-defined]
        values = [one for one in decoded if isinstance(one, LogValue) and one.source_name == "smokebasicmoveable"]
        return any(float(one.value) == pytest.approx(6.5, abs=0.01) for one in values)

    wait_for(sent)
    host, _, port = run["cache"].endpoints["cache"].partition(":")
    cache = CacheClient(host, int(port))
    try:
        run["pva_server"].pv("TEST:SMOKE:MOVE.VAL").put(4.5)  # type: ignore[attr-defined]
        wait_for(lambda: (value := cache.get("smokebasicmoveable/value")) is not None and value.value == pytest.approx(4.5))
    finally:
        cache.close()


def lost_writer_forwarder_and_ioc_are_told_by_name_and_used_again(run: Run, client: Client) -> None:
    """The first two are missed after some seconds only; meanwhile the IOC has its turn."""
    client.execute("start_filewriting('lost')")
    wait_for(lambda: job(client)[2] == "STARTED" and "TEST:SMOKE:MOVE.RBV" in client.eval("list(KafkaForwarder.forwarded)"))
    run["filewriter"].kill()
    run["forwarder"].kill()

    with subtest("the IOC killed between moves"):
        client.maw(client.dev("SmokeBasicMoveable"), 1)
        run["pva_server"].kill()
        wait_for(lambda: "disconnected" in client.status("SmokeBasicMoveable")[1])
        with pytest.raises(ScriptFailed, match=r"TEST:SMOKE:MOVE"):
            client.maw(client.dev("SmokeBasicMoveable"), 2)
        run["pva_server"].start()
        wait_for(lambda: "disconnected" not in client.status("SmokeBasicMoveable")[1])
        client.maw(client.dev("SmokeBasicMoveable"), 2)
        assert client.status("SmokeBasicMoveable")[0] == 200
    for fault in ("killed", "paused"):
        with subtest(f"the IOC {fault} in mid-move"):
            reqid = client.queue("scan(SmokeBasicMoveable, [9, -9] * 50, t=0.05)")
            wait_for(lambda: client.eval("session.devices['SmokeBasicMoveable'].target") in (9, -9))
            with getattr(run["pva_server"], fault)(), pytest.raises(ScriptFailed, match=r"SmokeBasicMoveable"):
                client.wait_done(reqid, timeout=60)
            wait_for(lambda: "disconnected" not in client.status("SmokeBasicMoveable")[1])
            client.execute("maw(SmokeBasicMoveable, 1)\ncount(0.05)")

    wait_for(lambda: job(client)[2] == "FAILED")
    assert "said nothing" in job(client)[4]
    wait_for(lambda: client.status("KafkaForwarder")[1] == "Disconnected")
    with pytest.raises(ScriptFailed, match="in progress"):
        client.execute("start_filewriting()")
    client.execute("stop_filewriting()")
    run["filewriter"].start()
    run["forwarder"].start()
    wait_for(lambda: client.status("KafkaForwarder")[0] == 200)


def every_part_ends_in_order_with_the_cache_gone(run: Run, _client: Client) -> None:
    run["cache"].kill()
    for part in ("daemon", "poller", "collector"):
        handle = run[part]
        handle.stop()
        assert handle.exit_code == 0, f"{part} ended with {handle.exit_code}: {handle.log_tail()}"


CASES: tuple[Callable[[Run, Client], None], ...] = (
    a_scan_goes_on_whatever_happens_to_what_it_does_not_need,
    a_killed_daemon_comes_back_with_its_state_and_its_clients_are_told,
    a_collector_and_a_poller_that_were_killed_take_up_what_is_new,
    lost_writer_forwarder_and_ioc_are_told_by_name_and_used_again,
    every_part_ends_in_order_with_the_cache_gone,
)


@pytest.mark.timeout(400)
def test_what_goes_on_when_something_is_gone(shared_broker: BrokerHandle) -> None:
    """One stack for all cases, and one scan for many faults: starts and waits are dearer than faults."""
    with control_stack(TOPICS, bootstrap=shared_broker.bootstrap, load=SETUPS, pv_delay_s=0.1).run() as run:
        for case in CASES:
            with subtest(case.__name__), run["daemon"].client(user="admin", password="admin") as client:  # type: ignore[attr-defined]
                client.NewExperiment(1, "faults")
                client.SetDetectors("det")
                begin_s = time.monotonic()
                case(run, client)
                print(f"{case.__name__}: {time.monotonic() - begin_s:.1f} s")
