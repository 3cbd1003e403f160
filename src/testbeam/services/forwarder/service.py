"""Service loop of the forwarder: commands in, updates in, messages out, a status; one thread, one producer for life.

The first status says that it is ready, and is sent when the positions in the command topic are facts: no command sent after it, nor after
this program was loaded, is lost.
"""

import logging
import os
import select
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from testbeam.errors import TestbeamError, WireError
from testbeam.model.forwarding import ConfigChange, ForwarderCommand, Protocol, StreamSpec
from testbeam.model.updates import UpdateBatch
from testbeam.runtime import clock
from testbeam.runtime.counters import Drops
from testbeam.runtime.heartbeat import Heartbeat
from testbeam.runtime.metrics import Metric, PrometheusServer
from testbeam.runtime.ready_file import write_ready_file
from testbeam.runtime.status_publisher import StatusPublisher
from testbeam.services.forwarder.addresses import Address, kafka_addresses
from testbeam.services.forwarder.config_topics import CommandTopic, Storage
from testbeam.services.forwarder.core import Core
from testbeam.services.forwarder.kafka_sender import KafkaSender, open_producer
from testbeam.services.forwarder.outside import Commands, Outside, graphite, initial_streams, stored_beside, timestamp_filter
from testbeam.services.forwarder.repeats import Repeats
from testbeam.services.forwarder.serialisers import WITH_UNITS
from testbeam.services.forwarder.settings import PROG, ForwarderSettings
from testbeam.services.forwarder.status import Problems, Rate, metrics, status_json
from testbeam.services.forwarder.stream_table import StreamTable
from testbeam.transport import graylog
from testbeam.transport.listening import wait_for_broker
from testbeam.transport.monitors.opening import open_monitors
from testbeam.transport.monitors.protocols import Monitors
from testbeam.wire.forwarder_json import Exit, decode_command

SOFTWARE = "Forwarder"
NOT_A_COMMAND = "not a command"
NOT_DELIVERED = "not delivered before the end"
REFUSED = "stream refused"

_LOADED_MS = clock.wall_ms()
_TICK_S = 0.01
_READ_MOST = 64
_GOODBYE_S = 1.0
_LAST_S = 0.5  # at the end, where updates never cease
_QUIET_LOOKS = 10
_SUBSCRIBED_AT_ONCE = 200
_OVER_S = 0.25  # time in which updates are counted
_BUSY_PER_S = 2_000
_WAITS = ((5_000, 0.02), (_BUSY_PER_S, 0.01))  # from so many updates/s on, so many seconds
_SHORTEST_S = 0.002  # after a round that had an update
_LONGEST_NAME = 80  # characters of a foreign text that is told


def forward(settings: ForwarderSettings, stop: threading.Event) -> None:
    """Send what EPICS PVs say to Kafka topics, for the streams that commands ask for."""
    with graylog.sending("graylog-logger-address", settings.graylog_logger_address, service=PROG, service_id=settings.service_id):
        forwarder = Forwarder(settings)
        forwarder.connect(stop)
        try:
            while not stop.is_set() and not forwarder.done:
                forwarder.step(stop)
        finally:
            forwarder.close()


class Forwarder:
    """One forwarder; `done` once a command has asked for its end.

    Raises:
        SettingsError: an address in the options, the file with streams or the port for metrics can't be used.
    """

    def __init__(self, settings: ForwarderSettings, outside: Outside | None = None) -> None:
        self._settings = settings
        self._outside = outside or Outside()
        self._addresses = kafka_addresses(settings)
        self._log = logging.getLogger(PROG)
        self._problems = Problems(self._log)
        self._drops = Drops(self._log)
        self._streams = StreamTable(Repeats(settings.pv_update_period) if settings.pv_update_period else None)
        self._core = Core(settings.service_id, self._streams, self._drops, self._problems, timestamp_filter(settings))
        self._monitors = MonitorSet(self._outside.monitors or self._open_client, self._problems, settings.units)
        self._commands: Commands = self._outside.commands or CommandTopic(
            self._addresses.commands, self._problems, _LOADED_MS, beside=stored_beside(self._addresses)
        )
        self._heartbeat = Heartbeat(SOFTWARE, settings.service_id, settings.status_interval / 1000)
        self._publishers: dict[object, StatusPublisher] = {}
        self._rate = Rate()
        storage = self._addresses.storage
        self._storage = storage and Storage(address=storage, problems=self._problems, send=self._publish)
        self._initial = initial_streams(settings)
        self._graphite = graphite(settings, self._metrics)
        self._prometheus = PrometheusServer(PROG, settings.metrics_port, self._metrics) if settings.metrics_port else None
        self._payloads: list[bytes] = []  # commands that came and are not done yet
        self._woken, self._wake_file = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake_file, False)
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        self._rows = 0  # of updates in the last round
        self._pace = Pace()
        self._is_restored = False
        self._is_ready = False
        self.done = False

    def connect(self, stop: threading.Event) -> None:
        """Wait until the brokers of commands and status listen, or until told to stop."""
        for address in (self._addresses.commands, self._addresses.status):
            wait_for_broker(address.kafka, stop, self._log)
        self._publisher(self._addresses.status)

    @cached_property
    def _sender(self) -> KafkaSender:
        """Return the way to Kafka, made with the first stream: most of a start is over then, and a new broker has settled."""
        if self._outside.sender is not None:
            return self._outside.sender(self._streams, self._drops, self._problems)
        settings = self._settings
        opened = open_producer(self._addresses.output, queue_messages=settings.queue_messages, queue_megabytes=settings.queue_megabytes)
        return KafkaSender(opened, self._streams, self._drops, self._problems)

    def step(self, stop: threading.Event) -> None:
        """Do one round: commands, updates, repeats, status. Waits about 10 ms, for commands if they can be had."""
        watches = bool(self._streams.by_number)
        if watches:
            self._wait_for_updates(stop)
        self._payloads += self._commands.look(0.0 if watches else _TICK_S, self._outside.monotonic_s())
        if not self._commands.ready:
            stop.wait(0.0 if watches else _TICK_S)
        elif self._is_restored or self._restore():
            self._do_commands()
        self._forward()
        now_s = self._outside.monotonic_s()
        for publisher in self._publishers.values():
            publisher.serve(now_s)
        if self._is_restored and self._commands.ready and self._heartbeat.due(now_s):
            self._publish(self._addresses.status, self._heartbeat.encode(self._status(now_s)))
        if not self._is_ready and self._addresses.status.topic in self._publisher(self._addresses.status).heard:
            self._note_ready()
        if self._graphite is not None:
            self._graphite.serve(now_s, self._outside.wall_ms() / 1000)

    def close(self) -> None:
        """Send what has come, wait for Kafka to have it, and end every connection."""
        self._forward_the_last()
        if self._prometheus is not None:
            self._prometheus.close()  # first: it asks the sender from a thread of its own
        self._monitors.close()
        self._commands.close()
        if self._streams.ever_used:
            self._sender.finish(self._settings.stop_timeout / 1000, NOT_DELIVERED)
        for publisher in self._publishers.values():
            publisher.close(_GOODBYE_S)
        os.close(self._wake_file)
        os.close(self._woken)
        if self._graphite is not None:
            self._graphite.close(_GOODBYE_S)
        self._log.info("sent %d updates; dropped: %s", self._core.updates, dict(self._drops.counts) or "none")

    def _forward(self) -> None:
        if not self._streams.ever_used:
            return
        self._rows = 0
        for batch in self._monitors.drain():
            self._rows += len(batch)
            self._core.take(batch, self._outside.wall_ns())
        self._core.repeat(self._outside.wall_ms())
        self._sender.send(self._streams.outgoing(), self._outside.monotonic_s())

    def _forward_between(self, count: int) -> None:
        """Keep the other PVs' queues from filling while thousands are subscribed, each of which takes up to 0.4 ms."""
        if not count % _SUBSCRIBED_AT_ONCE:
            self._forward()

    def _forward_the_last(self) -> None:
        """Send what is still on its way within this process, whose EPICS threads may be behind, until nothing comes or time is up."""
        end_s, quiet = self._outside.monotonic_s() + _LAST_S, 0
        while True:
            self._forward()
            quiet = 0 if self._rows else quiet + 1
            if quiet > _QUIET_LOOKS or not self._streams.by_number or self._outside.monotonic_s() >= end_s:
                return
            if self._poll.poll(_TICK_S * 1000):
                os.read(self._woken, _READ_MOST)

    def _wait_for_updates(self, stop: threading.Event) -> None:
        """Wait for an update, at most 20 ms. One that comes alone is sent at once; the more come, the longer they are let gather.

        Of many, the first wakes nobody: Python's lock would go back and forth between the loop and those that bring the others.
        """
        now_s = self._outside.monotonic_s()
        self._pace.add(self._rows, now_s)
        if self._rows or self._pace.is_busy:
            stop.wait(self._pace.wait_s())
            return
        self._monitors.wake(self._wake_file)
        if self._poll.poll(_TICK_S * 1000):
            os.read(self._woken, _READ_MOST)

    def _publisher(self, address: Address) -> StatusPublisher:
        if address.cluster not in self._publishers:
            self._publishers[address.cluster] = self._outside.publisher(address, self._settings.service_id, self._drops)
        return self._publishers[address.cluster]

    def _publish(self, address: Address, payload: bytes) -> None:
        self._publisher(address).send(address.topic, payload, self._outside.monotonic_s())

    def _restore(self) -> bool:
        """Take up the streams of the time before, unless told not to; before any command, after none can be missed any more."""
        streams: tuple[StreamSpec, ...] | None = ()
        if self._storage and not self._settings.skip_retrieval and not self._commands.beside_is_empty:
            streams = self._storage.read()
        if streams is None:
            return False
        for words, found in (("restoring %d streams", streams), ("beginning with %d streams of --streams-json", self._initial)):
            if found:
                self._log.info(words, len(found))
                self._apply(ForwarderCommand(change=ConfigChange.ADD, streams=found))
        self._is_restored = True
        return True

    def _do_commands(self) -> None:
        """Do the commands that came, and tell of the streams once, however many they were."""
        payloads, self._payloads = self._payloads, []
        if not [payload for payload in payloads if self._command(payload)]:
            return
        if self._storage:
            self._storage.write(self._streams.specs)
        self._heartbeat.soon()

    def _command(self, payload: bytes) -> bool:
        """Do a command; return whether it was one."""
        try:
            command = decode_command(payload)
        except WireError as error:
            self._drops.add(NOT_A_COMMAND, f"topic {self._addresses.commands.topic}: {error}")
            return False
        if isinstance(command, Exit):
            self._log.info("told to end by a command")
            self.done = True
            return False
        self._apply(command)
        return True

    def _apply(self, command: ForwarderCommand) -> None:
        applied = self._streams.apply(command)
        for spec, reason in applied.refused:
            self._problems.last = text = f"{command.change.name} of {spec.channel[:_LONGEST_NAME] or 'a stream'!r} refused: {reason}"
            self._drops.add(REFUSED, text)
        for n, (number, spec) in enumerate(applied.removed, 1):
            self._monitors.unsubscribe(number, spec)
            self._core.removed(number)
            self._forward_between(n)
        for n, (number, spec) in enumerate(applied.added, 1):
            self._monitors.subscribe(number, spec)
            self._forward_between(n)
        counts = len(applied.added), len(applied.removed), len(applied.refused), len(self._streams.specs)
        self._log.info("%s: %d streams added, %d removed, %d refused; now %d", command.change.name, *counts)

    def _waiting(self) -> int:
        return self._sender.waiting if self._streams.ever_used else 0

    def _status(self, now_s: float) -> str:
        return status_json(
            self._streams,
            updates=self._core.updates,
            updates_per_s=self._rate.look(self._core.updates, now_s),
            dropped=self._drops.counts,
            waiting=self._waiting(),
            unsent=len(self._streams.unsent),
            last_error=self._problems.last,
            channel_access=self._monitors.channel_access,
        )

    def _metrics(self) -> tuple[Metric, ...]:
        return metrics(self._streams, self._core.updates, self._core.updates_of, self._drops.counts, self._waiting())

    def _note_ready(self) -> None:
        self._is_ready = True
        self._log.info("ready: reading commands from topic %r", self._addresses.commands.topic)
        write_ready_file(self._settings.ready_file)

    def _open_client(self, protocol: Protocol) -> Monitors:
        period_ms, seed = self._settings.fake_pv_period, self._settings.fake_pv_seed
        return open_monitors(protocol, fake_period_ms=period_ms, fake_seed=seed, clock=self._outside.wall_ns)


@dataclass(slots=True)
class MonitorSet:
    """The clients of all protocols as one; `open_client` makes one. With `units` every stream asks for them."""

    open_client: Callable[[Protocol], Monitors]
    problems: Problems
    units: bool = False
    _clients: dict[Protocol, Monitors] = field(default_factory=dict)

    def subscribe(self, number: int, spec: StreamSpec) -> None:
        """Watch a stream's PV; a protocol that can't be had here leaves the stream unconnected, and is a problem."""
        try:
            if spec.protocol not in self._clients:
                self._clients[spec.protocol] = self.open_client(spec.protocol)
            self._clients[spec.protocol].subscribe(number, spec.channel, units=self.units or spec.schema in WITH_UNITS)
        except (TestbeamError, OSError) as error:
            self.problems.note(f"{spec.channel} can't be watched over {spec.protocol.name}: {error}")

    def unsubscribe(self, number: int, spec: StreamSpec) -> None:
        """Stop watching."""
        if spec.protocol in self._clients:
            self._clients[spec.protocol].unsubscribe(number)

    def drain(self) -> Iterator[UpdateBatch]:
        """Yield what each client has gathered."""
        return (client.drain() for client in self._clients.values())

    def wake(self, file: int) -> None:
        """Have the pipe `file` written to when the next update comes."""
        for client in self._clients.values():
            client.wake(file)

    @property
    def channel_access(self) -> str:
        """Return by what updates of Channel Access are received; "" while no stream uses it."""
        client = self._clients.get(Protocol.CA)
        return str(getattr(getattr(client, "receiver", None), "name", ""))

    def close(self) -> None:
        """Close all clients."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()


@dataclass(slots=True)
class Pace:
    """How long updates are let gather before a round, which costs some 0.2 ms however many there are.

    `per_s` is their rate over the last quarter of a second; monotonic seconds come from the caller.
    """

    per_s: float = 0.0
    _count: int = 0
    _since_s: float | None = None

    def add(self, count: int, now_s: float) -> None:
        """Take in how many updates the last round had."""
        if self._since_s is None:
            self._since_s = now_s
        self._count += count
        passed_s = now_s - self._since_s
        if passed_s >= _OVER_S:
            self.per_s, self._count, self._since_s = self._count / passed_s, 0, now_s

    @property
    def is_busy(self) -> bool:
        """Tell whether more come than are worth a round each."""
        return self.per_s >= _BUSY_PER_S

    def wait_s(self) -> float:
        """Return how long to wait after a round that had updates."""
        return next((wait_s for per_s, wait_s in _WAITS if self.per_s >= per_s), _SHORTEST_S)
