"""The loop of the forwarder with clocks, Kafka and PVs of a test's own: no socket, no sleep."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from testbeam.errors import SettingsError
from testbeam.model.forwarding import ConfigChange, Protocol
from testbeam.model.samples import ConnectionState, Severity
from testbeam.model.updates import UpdateBatch
from testbeam.runtime.status_publisher import StatusPublisher
from testbeam.services.forwarder.config_topics import from_store
from testbeam.services.forwarder.kafka_sender import KafkaSender
from testbeam.services.forwarder.outside import Outside
from testbeam.services.forwarder.service import NOT_A_COMMAND, NOT_DELIVERED, REFUSED, Forwarder
from testbeam.services.forwarder.settings import ForwarderSettings
from testbeam.wire.flatbuffers.registry import decode
from testbeam.wire.flatbuffers.schemas.forwarder_command_fc00 import encode_fc00
from tests.unit.forwarder.forwarding import NOW, alarms, command, connections, spec, values


@dataclass
class Producer:
    """A producer that keeps what it is given and acknowledges it when it is polled."""

    sent: list[tuple[str, bytes]] = field(default_factory=list)
    acknowledges: bool = True
    closed: bool = False
    _waiting: list[Callable[[], None]] = field(default_factory=list)

    def produce(self, topic: str, value: bytes, _key: bytes, *_places: Any, on_delivery: Any = None, **_: Any) -> None:
        self.sent.append((topic, value))
        if on_delivery is not None:
            message = type("Message", (), {"topic": lambda _self: topic})()
            self._waiting.append(lambda: on_delivery(None, message))

    def poll(self, _wait_s: float = 0, /) -> int:
        waiting, self._waiting = self._waiting if self.acknowledges else [], [] if self.acknowledges else self._waiting
        for tell in waiting:
            tell()
        return len(waiting)

    def flush(self, _wait_s: float = 0, /) -> int:
        self.poll()
        return 0 if self.acknowledges else len(self.sent)

    def close(self) -> None:
        self.closed = True

    def __len__(self) -> int:
        return 0


@dataclass
class Commands:
    """The command topic."""

    ready: bool = True
    beside_is_empty: bool = True
    waiting: list[bytes] = field(default_factory=list)
    closed: bool = False

    def look(self, _wait_s: float, _now_s: float) -> list[bytes]:
        taken, self.waiting = self.waiting, []
        return taken

    def close(self) -> None:
        self.closed = True


@dataclass
class Pvs:
    """A client of PVs; `batches` come one a drain."""

    batches: list[UpdateBatch] = field(default_factory=list)
    watched: dict[int, tuple[str, bool]] = field(default_factory=dict)
    closed: bool = False

    def subscribe(self, stream: int, channel: str, *, units: bool = False) -> None:
        self.watched[stream] = channel, units

    def unsubscribe(self, stream: int) -> None:
        del self.watched[stream]

    def drain(self) -> UpdateBatch:
        return self.batches.pop(0) if self.batches else UpdateBatch()

    def wake(self, _file: int) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Bench:
    """A forwarder, and the world it lives in."""

    def __init__(self, **options: Any) -> None:
        self.now_s = 100.0
        self.own, self.data = Producer(), Producer()
        self.commands, self.pvs = Commands(), Pvs()
        self.stop = threading.Event()
        self.stop.set()  # a wait on it returns at once
        places = {"config_topic": "h/commands", "status_topic": "h/status", "output_broker": "h"}
        outside = Outside(
            monotonic_s=lambda: self.now_s,
            wall_ns=lambda: NOW,
            publisher=lambda _address, key, drops: StatusPublisher(cast("Any", self.own), key.encode(), drops),
            sender=lambda table, drops, problems: KafkaSender(lambda _on_failure: cast("Any", self.data), table, drops, problems),
            monitors=lambda _protocol: self.pvs,
            commands=self.commands,
        )
        self.forwarder = Forwarder(ForwarderSettings(**places | {"service_id": "fw"} | options), outside)

    def do(self, *payloads: bytes, rounds: int = 1) -> None:
        self.commands.waiting += payloads
        for _ in range(rounds):
            self.forwarder.step(self.stop)

    def add(self, *streams: Any) -> None:
        self.do(encode_fc00(command(ConfigChange.ADD, *streams)))

    def statuses(self) -> list[dict[str, Any]]:
        return [json.loads(decode(payload).status_json) for topic, payload in self.own.sent if topic == "status"]

    def messages(self) -> list[Any]:
        return [decode(payload) for _, payload in self.data.sent]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return made(monkeypatch)


def made(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Bench:
    class Poll:
        def register(self, *_: Any) -> None:
            pass

        def poll(self, *_: Any) -> list[Any]:
            return []

    monkeypatch.setattr("testbeam.services.forwarder.service.select.poll", Poll)
    return Bench(**options)


def test_the_first_status_comes_at_once_and_then_one_an_interval(bench: Bench) -> None:
    bench.do()
    assert len(bench.statuses()) == 1
    bench.now_s += 3.9
    bench.do()
    assert len(bench.statuses()) == 1
    bench.now_s += 0.2
    bench.do()

    assert len(bench.statuses()) == 2


def test_no_status_says_ready_before_commands_can_be_read(bench: Bench) -> None:
    bench.commands.ready = False
    bench.do(rounds=3)
    assert bench.statuses() == []
    bench.commands.ready = True
    bench.do()

    assert len(bench.statuses()) == 1


def test_the_ready_file_is_written_once_kafka_has_the_first_status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bench = made(monkeypatch, ready_file=tmp_path / "ready")
    bench.own.acknowledges = False
    bench.do(rounds=3)
    assert not (tmp_path / "ready").exists()
    bench.own.acknowledges = True
    bench.do()

    assert (tmp_path / "ready").read_text().isdigit()


def test_a_command_is_followed_by_a_status_and_its_updates_by_messages(bench: Bench) -> None:
    bench.do()
    bench.add(spec("A"))
    assert bench.statuses()[-1]["streams"] == [{"channel_name": "A", "protocol": "PVA", "output_topic": "data", "schema": "f144"}]
    bench.pvs.batches = [connections(1, (ConnectionState.CONNECTED, NOW)), values(1, (1.5, NOW)), alarms(1, (Severity.OK, "", NOW))]
    bench.do(rounds=3)

    assert [type(message).__name__ for message in bench.messages()] == ["ConnectionChange", "LogValue", "Alarm"]


def test_a_hundred_commands_of_one_look_give_one_status(bench: Bench) -> None:
    bench.do()
    bench.do(*(encode_fc00(command(ConfigChange.ADD, spec(f"P{n}"))) for n in range(100)))

    assert len(bench.statuses()) == 2
    assert len(bench.statuses()[-1]["streams"]) == 100


def test_updates_of_others_go_out_while_thousands_of_streams_are_added_and_removed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.add(spec("A"))
    seen: list[int] = []  # messages that had gone out when each stream came or went
    subscribe, unsubscribe = bench.pvs.subscribe, bench.pvs.unsubscribe

    def noted(change: Any, stream: int, *rest: Any, **units: bool) -> None:
        seen.append(len(bench.data.sent))
        bench.pvs.batches.append(values(1, (float(len(seen)), NOW)))
        change(stream, *rest, **units)

    monkeypatch.setattr(bench.pvs, "subscribe", lambda *rest, **units: noted(subscribe, *rest, **units))
    monkeypatch.setattr(bench.pvs, "unsubscribe", lambda stream: noted(unsubscribe, stream))
    many = [spec(f"B{n}") for n in range(1000)]

    bench.add(*many)
    after = seen[-1]
    bench.do(encode_fc00(command(ConfigChange.REMOVE, *many)))

    assert 0 < after < seen[-1]


def test_junk_and_refused_streams_are_counted_and_no_status_follows_junk(bench: Bench) -> None:
    bench.do()
    bench.do(b"junk", b"", b"\xff" * 100)
    assert len(bench.statuses()) == 1
    bench.add(spec("A", schema="nope"), spec("B"))

    dropped = bench.statuses()[-1]["dropped"]
    assert (dropped[NOT_A_COMMAND], dropped[REFUSED]) == (3, 1)
    assert "nope" in bench.statuses()[-1]["last_error"]


def test_a_name_of_megabytes_is_told_in_a_line(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.add(spec("A" * 5_000_000, topic="t" * 5_000_000), spec("B", topic="x" * 1_000_000))

    assert len(bench.statuses()[-1]["last_error"]) < 1000
    assert all(len(record.getMessage()) < 2000 for record in caplog.records)


def test_streams_are_stored_at_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = made(monkeypatch, storage_topic="h/storage")
    bench.add(spec("A"))
    bench.do(encode_fc00(command(ConfigChange.REMOVEALL)))

    assert [from_store(payload) for topic, payload in bench.own.sent if topic == "storage"] == [(spec("A"),), ()]


def test_streams_of_a_file_are_there_from_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "streams.json"
    file.write_text('{"streams": [{"channel": "A", "channel_provider_type": "ca", "converter": {"schema": "f142", "topic": "data"}}]}')
    bench = made(monkeypatch, streams_json=file)
    bench.do()

    assert [entry["channel_name"] for entry in bench.statuses()[0]["streams"]] == ["A"]
    file.write_text("[]")
    with pytest.raises(SettingsError, match="streams-json"):
        made(monkeypatch, streams_json=file)


def test_units_are_asked_for_by_the_option_or_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    for options, expected in (({}, [False, True]), ({"units": True}, [True, True])):
        bench = made(monkeypatch, **options)
        bench.add(spec("A"), spec("B", schema="un00"))

        assert [units for _, units in bench.pvs.watched.values()] == expected


def test_the_command_exit_ends_it(bench: Bench) -> None:
    bench.do(b'{"cmd": "exit"}')

    assert bench.forwarder.done


def test_at_the_end_what_came_is_sent_and_all_is_closed(bench: Bench) -> None:
    bench.add(spec("A"))
    bench.pvs.batches = [values(1, (1.5, NOW))]
    bench.forwarder.close()

    assert [float(message.value) for message in bench.messages()] == [1.5]
    assert (bench.commands.closed, bench.pvs.closed, bench.data.closed) == (True, True, True)


def test_what_is_still_on_its_way_at_the_end_is_sent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.add(spec("A"))
    looks = iter([UpdateBatch(), UpdateBatch(), values(1, (1.5, NOW)), UpdateBatch(), values(1, (2.5, NOW))])
    monkeypatch.setattr(bench.pvs, "drain", lambda: next(looks, UpdateBatch()))
    bench.forwarder.close()

    assert [float(message.value) for message in bench.messages()] == [1.5, 2.5]


def test_what_kafka_does_not_take_before_the_end_is_counted(bench: Bench) -> None:
    bench.add(spec("A"))
    bench.pvs.batches = [values(1, (1.5, NOW))]
    bench.data.acknowledges = False
    bench.forwarder.close()

    assert bench.forwarder._drops.counts == {NOT_DELIVERED: 1}


def test_a_protocol_that_can_not_be_had_is_a_problem_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = made(monkeypatch)

    def refuse(_protocol: Protocol) -> Any:
        raise OSError("no such library")

    bench.forwarder._monitors.open_client = refuse
    bench.add(spec("A"))

    assert "no such library" in bench.statuses()[-1]["last_error"]
