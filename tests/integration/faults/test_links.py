import os
import random
import signal
import socket
import statistics
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from testbeam.errors import ServiceDied, StackError
from testbeam.kit.faults.fault import Fault
from testbeam.kit.faults.link import Direction
from testbeam.kit.run import Run
from testbeam.kit.spec import Port, Service
from testbeam.kit.stack import Stack
from tests.integration.faults.breakable import asked, client, echo, faults_of, received, took_s
from tests.integration.kit.leftovers import nothing_left
from tests.integration.kit.runners import until
from tests.integration.kit.small_services import sleeper

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def ticks(run: Run) -> int:
    """Return how much processor time the proxy has used, in hundredths of a second."""
    fields = Path(f"/proc/{run.links.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def until_reset(one: socket.socket) -> bytes:
    """Return what comes until the connection is reset."""
    got = b""
    try:
        while data := one.recv(100):
            got += data
    except ConnectionResetError:
        return got
    pytest.fail("closed in order")


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with Stack(echo()).run() as running:
        yield running


@pytest.fixture(scope="module")
def leaves_nothing() -> None:
    """Of these tests only those with a run of their own look for what is left; one at the end looks at the shared run."""


def test_without_a_fault_a_link_carries_everything_and_passes_on_the_end(run: Run) -> None:
    data = os.urandom(3_000_000)
    with client(run["echo"]) as one:
        one.setblocking(False)
        sent, got = 0, b""
        while len(got) < len(data):
            with suppress(BlockingIOError):
                sent += one.send(data[sent : sent + 65536])
            with suppress(BlockingIOError):
                got += one.recv(65536)
        assert got == data
        one.setblocking(True)
        one.shutdown(socket.SHUT_WR)
        assert one.recv(1) == b""


def test_latency_is_added_in_each_direction_for_live_and_new_connections(run: Run) -> None:
    with client(run["echo"]) as live, run["echo"].link(latency_ms=40):
        assert 0.08 <= took_s(live) < 0.4
        with client(run["echo"]) as new:
            assert 0.08 <= took_s(new) < 0.4


def test_after_the_block_the_link_is_as_it_was(run: Run) -> None:
    with client(run["echo"]) as one:
        with run["echo"].link(latency_ms=100):
            pass
        assert statistics.median(took_s(one) for _ in range(20)) < 0.02


@pytest.mark.parametrize(("direction", "delay_s"), [("upstream", 0.05), ("downstream", 0.05), ("both", 0.1)])
def test_one_direction_alone_may_be_bad(run: Run, direction: Direction, delay_s: float) -> None:
    with client(run["echo"]) as one, run["echo"].link(latency_ms=50, direction=direction):
        times = [took_s(one) for _ in range(5)]
        assert delay_s <= min(times) < delay_s + 0.045


def test_jitter_spreads_the_delays_and_a_seed_spreads_them_alike(run: Run) -> None:
    def delays() -> list[float]:
        with run["echo"].link(latency_ms=30, jitter_ms=25, direction="upstream", seed=seed), client(run["echo"]) as one:
            return [took_s(one) for _ in range(15)]

    seed = 5
    first = delays()
    assert all(0.005 <= one < 0.3 for one in first)
    assert max(first) - min(first) > 0.015


def test_overlapping_faults_add_up_and_end_each_by_itself(run: Run) -> None:
    first, second = run["echo"].link(latency_ms=30), run["echo"].link(latency_ms=40)
    with client(run["echo"]) as one:
        first.begin()
        second.begin()
        assert took_s(one) >= 0.14
        first.end()
        assert 0.08 <= min(took_s(one) for _ in range(20)) < 0.14  # one way is 40 ms now: quicker than both faults, whatever else runs
        second.end()


def test_the_conditions_may_change_within_the_block_on_live_connections(run: Run) -> None:
    with client(run["echo"]) as one, run["echo"].link(latency_ms=200) as fault:
        fault.change(latency_ms=20)
        assert 0.04 <= min(took_s(one) for _ in range(3)) < 0.2
        with pytest.raises(StackError, match="latency_ms=-5 can't be used"):
            fault.change(latency_ms=-5)
        with pytest.raises(StackError, match="'latency' is no condition of a link; did you mean latency_ms"):
            fault.change(latency=5)
    with pytest.raises(StackError, match="is not under this fault now"):
        fault.change(latency_ms=5)


def test_a_rate_is_kept(run: Run) -> None:
    with client(run["echo"]) as one, run["echo"].link(rate_kbps=4000, direction="downstream"):
        started_s = time.monotonic()
        assert len(asked(one, bytes(200_000))) == 200_000
        assert 0.39 <= time.monotonic() - started_s < 1.2  # 1.6 Mbit at 4 Mbit/s


def test_what_waits_on_a_slow_link_arrives_at_once_when_that_is_mended(run: Run) -> None:
    with client(run["echo"]) as one:
        with run["echo"].link(rate_kbps=8):
            one.sendall(bytes(50_000))  # 50 s on that link
        started_s = time.monotonic()
        assert len(received(one, 50_000)) == 50_000
        assert time.monotonic() - started_s < 2


def test_slices_arrive_one_by_one(run: Run) -> None:
    with client(run["echo"]) as one, run["echo"].link(slice_bytes=3, slice_delay_ms=40, direction="downstream"):
        one.sendall(b"abcdefgh")
        assert [one.recv(100) for _ in range(3)] == [b"abc", b"def", b"gh"]


def test_a_black_hole_accepts_and_swallows_and_resets_whoever_lost_something_at_its_end(run: Run) -> None:
    with client(run["echo"]) as silent, client(run["echo"]) as live:
        assert asked(silent) == asked(live) == b"x"
        with run["echo"].link(black_hole=True) as fault, client(run["echo"]) as new:
            for one in (live, new):
                one.sendall(b"abc")
                one.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    one.recv(3)
            assert fault.counts()["swallowed_bytes"] == 6
            assert fault.counts()["accepted"] == 1
            one.settimeout(60)
            fault.end()
            for one in (live, new):
                with pytest.raises(ConnectionResetError):
                    one.recv(3)
        assert asked(silent) == b"x"  # it lost nothing, and never knew
        assert fault.counts()["reset"] == 2


def test_in_a_black_hole_nobody_hears_that_the_other_side_is_gone(run: Run) -> None:
    with client(run["echo"]) as one:
        assert asked(one) == b"x"
        with run["echo"].link(black_hole=True):
            run["echo"].restart()
            one.settimeout(0.2)
            with pytest.raises(TimeoutError):
                one.recv(1)
            one.settimeout(60)
        with pytest.raises(ConnectionResetError):
            one.recv(1)


def test_a_stalled_link_delays_everything_and_loses_nothing(run: Run) -> None:
    with client(run["echo"]) as live:
        with run["echo"].link(stalled=True), client(run["echo"]) as new:
            for one in (live, new):
                one.sendall(b"abc")
                one.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    one.recv(3)
                one.settimeout(60)
            run["echo"].fault("link", latency_ms=1).begin().end()
        assert received(live, 3) == b"abc"


def test_a_reset_hits_live_connections_and_those_within_the_block_but_none_after(run: Run) -> None:
    with client(run["echo"]) as live:
        assert asked(live) == b"x"
        with run["echo"].link(reset=True):
            with pytest.raises(ConnectionResetError):
                live.recv(1)
            with pytest.raises(ConnectionResetError), client(run["echo"]) as new:
                asked(new)
        with client(run["echo"]) as after:
            assert asked(after) == b"x"


def test_a_link_that_is_down_refuses_and_comes_up_on_the_same_port(run: Run) -> None:
    with client(run["echo"]) as live:
        assert asked(live) == b"x"
        for _ in range(3):
            with run["echo"].link(down=True), run["echo"].link(down=True), pytest.raises(ConnectionRefusedError), client(run["echo"]):
                pytest.fail("nobody listens")
        with pytest.raises(ConnectionResetError):
            live.recv(1)
        with client(run["echo"]) as after, client(run["echo"], "tcp") as direct:
            assert asked(after) == asked(direct) == b"x"


def test_a_limit_lets_so_many_more_bytes_through_and_closes_the_connection(run: Run) -> None:
    with client(run["echo"]) as one:
        assert asked(one, b"before") == b"before"
        with run["echo"].link(limit_bytes=5, direction="downstream"):
            one.sendall(b"abcdefgh")
            assert b"abcde".startswith(until_reset(one))  # the reset may overtake what was on its way to the reader


def test_a_slow_close_is_passed_on_late(run: Run) -> None:
    with client(run["echo"]) as one, run["echo"].link(slow_close_ms=300):
        started_s = time.monotonic()
        one.shutdown(socket.SHUT_WR)
        assert one.recv(1) == b""
        assert 0.6 <= time.monotonic() - started_s < 2  # once in each direction


def test_while_the_service_is_killed_its_link_resets_who_connects(run: Run) -> None:
    with client(run["echo"]) as live:
        assert asked(live) == b"x"
        with run["echo"].killed():
            assert live.recv(1) == b""
            with pytest.raises(ConnectionResetError), client(run["echo"]) as new:
                new.recv(1)
        with client(run["echo"]) as after:
            assert asked(after) == b"x"


def test_many_connections_at_once_each_get_their_own_bytes(run: Run) -> None:
    with run["echo"].link(latency_ms=20, jitter_ms=20, slice_bytes=7):
        clients = [client(run["echo"]) for _ in range(100)]
        sockets = [one.__enter__() for one in clients]
        for number, one in enumerate(sockets):
            one.sendall(b"%06d" % number * 20)
        assert [received(one, 120) for one in sockets] == [b"%06d" % number * 20 for number in range(100)]
        for each in clients:
            each.__exit__(None, None, None)


def test_the_journal_says_what_was_broken_and_what_became_of_connections(run: Run) -> None:
    with run["echo"].link(latency_ms=5, direction="upstream"), client(run["echo"]) as one:
        asked(one)
    last = [event for event in run.journal.events if event.kind == "fault"][-2:]

    assert faults_of(last) == [("begin", "link"), ("end", "link")]
    assert last[0].data["parameters"] == {"latency_ms": 5, "direction": "upstream"}
    assert last[1].data["counts"]["accepted"] == 1


def test_idle_links_cost_no_processor_time(run: Run) -> None:
    with client(run["echo"]) as one, client(run["echo"]) as closed, run["echo"].link(stalled=True):
        closed.close()
        one.sendall(b"abc")
        before = ticks(run)
        time.sleep(0.5)
        assert ticks(run) - before <= 5


def test_what_can_not_be_broken_is_refused_with_the_way_out(run: Run) -> None:
    with pytest.raises(StackError, match="has no relayed port 'main'; known: front"):
        run["echo"].link(down=True, port="main").begin()
    with Stack(sleeper("plain")).run() as other:
        assert other.links.pid is None
        with pytest.raises(StackError, match=r"link: service 'plain' has no port that its clients reach through a proxy; declare ports="):
            other["plain"].link(down=True).begin()
    with pytest.raises(StackError, match="port 'front' forwards to 'mian'; give another port of it, or HOST:PORT"):
        Service("x", command=("true",), ports=(Port(name="main"), Port(name="front", forwards_to="mian")))


def test_a_service_that_runs_elsewhere_can_have_a_bad_link_too(run: Run) -> None:
    theirs = Service(
        "theirs",
        external=True,
        ports=(Port(name="front", forwards_to=run["echo"].endpoints["tcp"]),),
        endpoints={"proxied": "${address}:${port.front}"},
    )
    with Stack(theirs).run() as other, client(other["theirs"]) as one, other["theirs"].link(latency_ms=30):
        assert 0.06 <= took_s(one) < 0.5


def test_one_more_service_brings_its_link_and_takes_it_along(run: Run) -> None:
    with run.add(echo()) as second, client(second) as one:
        assert run.links.names == {"echo:front", "echo-2:front"}
        with second.link(latency_ms=30):
            assert took_s(one) >= 0.06
    assert run.links.names == {"echo:front"}


def test_a_proxy_that_dies_is_told_of_and_fails_the_run() -> None:
    run = Stack(echo()).run()
    run.start()
    os.kill(run.links.pid or 0, signal.SIGKILL)
    until(lambda: bool(run.crashed), 60)
    with pytest.raises(
        ServiceDied, match=r"the proxy process of the run's links died \(code -9\); its last words in .*: nothing; start the run again"
    ):
        run.check()
    with pytest.raises(StackError, match="the proxy of the run is gone"):
        run["echo"].link(down=True).begin()
    run.stop()
    assert run.faults.active == ()


def test_ten_runs_with_links_leave_no_process_thread_or_descriptor() -> None:
    with nothing_left():
        for _ in range(10):
            with Stack(echo()).run() as run, client(run["echo"]) as one, run["echo"].link(latency_ms=1):
                asked(one)


def test_whatever_the_links_suffer_that_loses_nothing_every_byte_arrives_in_its_order(run: Run) -> None:
    chance = random.Random(11)
    sent, got = [b""] * 8, [b""] * 8
    with ExitStack() as opened:
        clients = [opened.enter_context(client(run["echo"])) for _ in sent]
        for _ in range(400 if os.environ.get("TESTBEAM_SOAK") else 40):
            with run["echo"].link(**harmless(chance)), run["echo"].link(**harmless(chance)):
                for number, one in enumerate(clients):
                    data = chance.randbytes(chance.choice([1, 10, 1000, 30_000]))
                    one.sendall(data)
                    sent[number] += data
                for number, one in enumerate(clients):
                    got[number] += available(one)
        for number, one in enumerate(clients):
            one.settimeout(60)
            got[number] += received(one, len(sent[number]) - len(got[number]))
    assert got == sent


def harmless(chance: random.Random) -> dict[str, Any]:
    """Return conditions that delay, but lose nothing."""
    possible: list[dict[str, Any]] = [
        {"latency_ms": chance.uniform(0.1, 20), "jitter_ms": chance.uniform(0, 20)},
        {"rate_kbps": chance.uniform(100, 100_000)},
        {"slice_bytes": chance.randint(1, 500), "slice_delay_ms": chance.choice([0, 1])},
        {"stalled": True},
        {"latency_ms": 5, "slice_bytes": 100, "rate_kbps": 1000},
    ]
    return chance.choice(possible) | {"direction": chance.choice(["both", "upstream", "downstream"]), "seed": chance.randint(0, 9)}


def available(one: socket.socket) -> bytes:
    """Return what has come until now."""
    one.setblocking(False)
    got = b""
    with suppress(BlockingIOError):
        while data := one.recv(1 << 20):
            got += data
    one.setblocking(True)
    return got


def test_connections_that_come_and_go_leave_no_descriptor_in_the_proxy_and_no_work(run: Run) -> None:
    def descriptors() -> int:
        return len(list(Path(f"/proc/{run.links.pid}/fd").iterdir()))

    before = descriptors()
    for number in range(200):
        with client(run["echo"]) as one:
            if number % 2:
                asked(one)
            if number % 5 == 0:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends by a reset
            if number % 7 == 0:
                one.shutdown(socket.SHUT_WR)
    with run["echo"].link(black_hole=True):
        for _ in range(20):
            with client(run["echo"]) as one:
                one.sendall(b"x")
    until(lambda: descriptors() <= before, 60)
    worked = ticks(run)
    time.sleep(0.3)
    assert ticks(run) - worked <= 3


def test_a_service_that_is_gone_when_bytes_and_the_end_arrive_together_resets_its_client_alone(run: Run) -> None:
    link = run["echo"].link(latency_ms=5000, direction="upstream").begin()
    with client(run["echo"]) as one:
        for data in (b"a", b"b"):  # the first is answered by a reset, the second fails
            one.sendall(data)
            time.sleep(0.02)  # so that each is a piece of its own
        one.shutdown(socket.SHUT_WR)
        with run["echo"].killed():
            link.end()  # all of it arrives now
    with client(run["echo"]) as after:
        assert asked(after) == b"x"
    run.check()


@pytest.mark.parametrize("seed", range(20 if os.environ.get("TESTBEAM_SOAK") else 2))
def test_whatever_is_done_to_links_and_by_clients_the_proxy_lives_and_rests(run: Run, seed: int) -> None:
    chance = random.Random(seed)
    descriptors = len(list(Path(f"/proc/{run.links.pid}/fd").iterdir()))
    with ExitStack() as opened:
        clients: list[socket.socket] = []
        faults: list[Fault] = []
        for _ in range(150):
            chance.choice([connect, connect, speak, speak, speak, listen, half_close, reset, break_link, break_link, mend, mend, restart])(
                Fuzz(run, chance, clients, faults, opened)
            )
        for fault in faults:
            fault.end()
    with client(run["echo"]) as after:
        assert asked(after) == b"x"
    until(lambda: len(list(Path(f"/proc/{run.links.pid}/fd").iterdir())) <= descriptors, 60)
    worked = ticks(run)
    time.sleep(0.2)
    assert ticks(run) - worked <= 3
    run.check()


class Fuzz(NamedTuple):
    run: Run
    chance: random.Random
    clients: list[socket.socket]
    faults: list[Fault]
    opened: ExitStack


def connect(on: Fuzz) -> None:
    with suppress(OSError):
        one = on.opened.enter_context(client(on.run["echo"]))
        one.setblocking(False)
        on.clients.append(one)


def speak(on: Fuzz) -> None:
    if on.clients:
        with suppress(OSError):
            on.chance.choice(on.clients).send(bytes(on.chance.choice([1, 100, 100_000])))


def listen(on: Fuzz) -> None:
    for one in on.clients:
        with suppress(OSError):
            one.recv(1 << 20)


def half_close(on: Fuzz) -> None:
    if on.clients:
        with suppress(OSError):
            on.chance.choice(on.clients).shutdown(on.chance.choice([socket.SHUT_WR, socket.SHUT_RD]))


def reset(on: Fuzz) -> None:
    if on.clients:
        one = on.clients.pop(on.chance.randrange(len(on.clients)))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()


def break_link(on: Fuzz) -> None:
    lossy: list[dict[str, Any]] = [
        {"black_hole": True},
        {"reset": True},
        {"down": True},
        {"limit_bytes": on.chance.randint(1, 1000)},
        {"slow_close_ms": 20},
    ]
    words = harmless(on.chance) | (on.chance.choice(lossy) if on.chance.random() < 0.5 else {})
    if len(on.faults) < 4:
        on.faults.append(on.run["echo"].link(**words).begin())


def mend(on: Fuzz) -> None:
    if on.faults:
        on.faults.pop(on.chance.randrange(len(on.faults))).end()


def restart(on: Fuzz) -> None:
    if on.chance.random() < 0.3:
        on.run["echo"].restart()
