"""What does the forwarder do all day? Commands in, updates in, messages out, a sign of life: one thread, one producer for life.

The first status says that it is ready, and is sent when the positions in the command topic are facts: no command sent after it, nor after
this program was loaded, is lost.
"""

import logging
import os
import threading
import time
from functools import cached_property

from testbeam.errors import WireError
from testbeam.model.forwarding import ConfigChange, ForwarderCommand, Protocol, StreamSpec
from testbeam.runtime import clock
from testbeam.runtime.counters import Drops
from testbeam.runtime.heartbeat import Heartbeat
from testbeam.services.forwarder.ages import Ages
from testbeam.services.forwarder.announcer import Announcer
from testbeam.services.forwarder.command_topic import CommandTopic
from testbeam.services.forwarder.core import Core
from testbeam.services.forwarder.outbox import Outbox
from testbeam.services.forwarder.places import places
from testbeam.services.forwarder.problems import Problems
from testbeam.services.forwarder.producers import data_producer
from testbeam.services.forwarder.repeats import Repeats
from testbeam.services.forwarder.settings import PROG, ForwarderSettings
from testbeam.services.forwarder.status import Rate, status_json
from testbeam.services.forwarder.storage import Storage
from testbeam.services.forwarder.stream_set import StreamSet
from testbeam.services.forwarder.watchers import Watchers
from testbeam.transport.listening import wait_for_broker
from testbeam.transport.monitors.opening import open_monitors
from testbeam.transport.monitors.protocols import Monitors
from testbeam.wire.flatbuffers.schemas.forwarder_command_fc00 import decode_fc00

SOFTWARE = "Forwarder"
NOT_A_COMMAND = "not a command"
NOT_DELIVERED = "not delivered before the end"

_LOADED_MS = clock.wall_ms()
_TICK_S = 0.01
_GOODBYE_S = 1.0
_MS = 1_000_000  # ns
_DAY_NS = 86_400_000 * _MS


def forward(settings: ForwarderSettings, stop: threading.Event) -> None:
    """Send what EPICS PVs say to Kafka topics, for the streams that commands ask for."""
    forwarder = Forwarder(settings)
    forwarder.connect(stop)
    try:
        while not stop.is_set():
            forwarder.step(stop)
    finally:
        forwarder.close()


class Forwarder:
    """One forwarder.

    Raises:
        SettingsError: an address in the options can't be used.
    """

    def __init__(self, settings: ForwarderSettings) -> None:
        self._settings = settings
        self._places = places(settings)
        self._log = logging.getLogger(PROG)
        self._problems = Problems(self._log)
        self._drops = Drops(self._log)
        self._streams = StreamSet(None if settings.pv_update_period is None else Repeats(settings.pv_update_period))
        self._core = Core(settings.service_id, self._streams, self._drops, self._problems, _ages(settings))
        self._watchers = Watchers(self._open_client, self._problems)
        self._commands = CommandTopic(self._places.commands, self._problems, _LOADED_MS, beside=self._stored_beside())
        self._heartbeat = Heartbeat(SOFTWARE, settings.service_id, settings.status_interval / 1000)
        self._announcer = Announcer(self._drops, self._problems, settings.service_id.encode())
        self._rate = Rate()
        storage = self._places.storage
        self._storage = storage and Storage(address=storage, problems=self._problems, say=self._announcer.say)
        self._payloads: list[bytes] = []  # commands that came and are not done yet
        if settings.grafana_carbon_address:
            self._log.warning("grafana-carbon-address is understood, but no statistics are sent yet")
        self._is_restored = False
        self._is_ready = False

    def connect(self, stop: threading.Event) -> None:
        """Wait until the brokers of commands and status listen, or until told to stop."""
        for address in (self._places.commands, self._places.status):
            wait_for_broker(address.kafka, stop, self._log)
        self._announcer.connect(self._places.status)

    @cached_property
    def _outbox(self) -> Outbox:
        """Return the way to Kafka, made with the first stream: most of a start is over then, and a new broker has settled."""
        producer = data_producer(
            self._places.output,
            queue_messages=self._settings.queue_messages,
            queue_megabytes=self._settings.queue_megabytes,
            on_failure=lambda error, message: self._outbox.delivered(error, message),
        )
        return Outbox(producer, self._drops, self._problems)

    def step(self, stop: threading.Event) -> None:
        """Do one round: commands, updates, repeats, status. Waits about 10 ms, for commands if they can be had."""
        self._payloads += self._commands.look(_TICK_S)
        if not self._commands.ready:
            stop.wait(_TICK_S)
        elif self._is_restored or self._restore():
            self._do_commands()
        self._forward()
        self._announcer.serve()
        if self._is_restored and self._commands.ready and self._heartbeat.due(time.monotonic()):
            self._announcer.say(self._places.status, self._heartbeat.encode(self._status()))
        if not self._is_ready and self._places.status.topic in self._announcer.heard:
            self._note_ready()

    def close(self) -> None:
        """Send what has come, wait for Kafka to have it, and end every connection."""
        self._forward()
        self._watchers.close()
        self._commands.close()
        if self._streams.ever_used:
            self._outbox.finish(self._settings.stop_timeout / 1000, NOT_DELIVERED)
        self._announcer.flush(_GOODBYE_S)
        self._log.info("sent %d updates; dropped: %s", self._core.updates, dict(self._drops.counts) or "none")

    def _forward(self) -> None:
        if not self._streams.ever_used:
            return
        for batch in self._watchers.drain():
            self._core.take(batch, clock.wall_ns())
        self._core.repeat(clock.wall_ms())
        self._outbox.send(self._streams.outgoing())

    def _restore(self) -> bool:
        """Take up the streams of the time before, unless told not to; before any command, after none can be missed any more."""
        streams: tuple[StreamSpec, ...] | None = ()
        if self._storage and not self._settings.skip_retrieval and not self._commands.beside_is_empty:
            streams = self._storage.read()
        if streams is None:
            return False
        if streams:
            self._log.info("restoring %d streams", len(streams))
            self._apply(ForwarderCommand(change=ConfigChange.ADD, streams=streams))
        self._is_restored = True
        return True

    def _stored_beside(self) -> str:
        """Return the storage topic where the reader of the commands can tell that there is nothing in it, as in a new stack."""
        storage = self._places.storage
        return "" if storage is None or storage.cluster != self._places.commands.cluster else storage.topic

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
            command = decode_fc00(payload)
        except WireError as error:
            self._drops.add(NOT_A_COMMAND, f"topic {self._places.commands.topic}: {error}")
            return False
        self._apply(command)
        return True

    def _apply(self, command: ForwarderCommand) -> None:
        applied = self._streams.apply(command)
        for spec, reason in applied.refused:
            self._problems.note(f"{command.change.name} of {spec.channel or 'a stream'!r} to topic {spec.topic!r} refused: {reason}")
        for number, spec in applied.removed:
            self._watchers.unsubscribe(number, spec)
        for number, spec in applied.added:
            self._watchers.subscribe(number, spec)
        counts = len(applied.added), len(applied.removed), len(applied.refused), len(self._streams.specs)
        self._log.info("%s: %d streams added, %d removed, %d refused; now %d", command.change.name, *counts)

    def _status(self) -> str:
        return status_json(
            self._streams.by_number.values(),
            updates=self._core.updates,
            updates_per_s=self._rate.look(self._core.updates, time.monotonic()),
            dropped=self._drops.counts,
            waiting=self._outbox.waiting if self._streams.ever_used else 0,
            last_error=self._problems.last,
        )

    def _note_ready(self) -> None:
        self._is_ready = True
        self._log.info("ready: reading commands from topic %r", self._places.commands.topic)
        if self._settings.ready_file is not None:
            self._settings.ready_file.write_text(f"{os.getpid()}")

    def _open_client(self, protocol: Protocol) -> Monitors:
        period_ms, seed = self._settings.fake_pv_period, self._settings.fake_pv_seed
        return open_monitors(protocol, fake_period_ms=period_ms, fake_seed=seed, clock=clock.wall_ns)


def _ages(settings: ForwarderSettings) -> Ages:
    days = settings.first_value_max_age
    return Ages(first_ns=None if days is None else days * _DAY_NS)
