"""The collector's loop: changes of the cache in, messages out, and now and then all of them again."""

import logging
import threading
import time
from collections import OrderedDict
from typing import Any

from testbeam.errors import SettingsError
from testbeam.model.deadline import Deadline
from testbeam.runtime.ready_file import write_ready_file
from testbeam.services.control.collector.core import Core, Message
from testbeam.services.control.collector.settings import PROG, CollectorSettings
from testbeam.services.control.setups.declared import Setup
from testbeam.services.control.setups.files import read_setups
from testbeam.services.control.setups.places import cache_of_setups, host_and_port
from testbeam.transport.kafka.client import Kafka
from testbeam.transport.listening import wait_for_broker
from testbeam.transport.nicos.cache import CacheClient, CacheValue

_LOOK_S = 0.05
_MOST_WAITING = 100  # changes of one device; beyond, the oldest go
_FORWARDER = "nicos_ess.devices.cache_kafka_forwarder.CacheKafkaForwarder"
_GOODBYE_S = 2.0
_log = logging.getLogger(PROG)


def collect(settings: CollectorSettings, stop: threading.Event) -> None:
    """Send the values and states of devices to a Kafka topic, until told to stop."""
    collector = Collector(settings)
    try:
        collector.run(stop)
    finally:
        collector.close()


class Collector:
    """One collector.

    Raises:
        SettingsError: neither an option nor a setup says where cache, brokers or topic are.
    """

    def __init__(self, settings: CollectorSettings) -> None:
        setups = read_setups(settings.setups)
        own = _own_parameters(setups)
        place = settings.cache or cache_of_setups(setups) or _collector_cache(setups)
        brokers = settings.brokers or ",".join(_words(own.get("brokers", ())))
        self._topic = settings.topic or str(own.get("output_topic", ""))
        for option, value in (("cache", place), ("brokers", brokers), ("topic", self._topic)):
            if not value:
                raise SettingsError(option, "none", "it, or setups whose setup `collector` says it")
        self._settings = settings
        self._core = Core(frozenset(name.lower() for name in (*settings.ignore, *_words(own.get("dev_ignore", ())))))
        self._kafka = Kafka(bootstrap=brokers)
        self._producer: Any = None
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, list[CacheValue]] = OrderedDict()
        self._woken = threading.Event()
        self._dropped = 0
        self._told_s = 0.0
        self.sent = 0
        self._cache = CacheClient(*host_and_port("cache", place), on_update=self._changed)

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop."""
        wait_for_broker(self._kafka, stop, _log)
        while not self._cache.wait_connected(_LOOK_S) and not stop.is_set():
            pass
        if stop.is_set():
            return
        self._producer = self._kafka.producer(linger_ms=5, retries=2_147_483_647)
        _log.info("ready: sending from the cache at %s to topic %r", self._cache.address, self._topic)
        write_ready_file(self._settings.ready_file)
        until_again = Deadline(self._settings.resend_interval)
        while not stop.is_set():
            self._woken.wait(_LOOK_S)
            self._woken.clear()
            self._send_waiting()
            if self._settings.resend_interval and until_again.passed:
                until_again = Deadline(self._settings.resend_interval)
                for message in list(self._core.again()):
                    self._send(message)
            self._producer.poll(0)

    def close(self) -> None:
        """Send what waits and end."""
        self._cache.close()
        if self._producer is not None:
            self._send_waiting()
            left = self._producer.flush(_GOODBYE_S)
            _log.info("sent %d messages; %d not delivered; dropped: %s", self.sent, left, {**self._core.dropped, "backlog": self._dropped})

    def _changed(self, key: str, value: CacheValue) -> None:
        with self._lock:
            waiting = self._waiting.setdefault(key, [])
            waiting.append(value)
            if len(waiting) > _MOST_WAITING:
                del waiting[0]
                self._dropped += 1
        self._woken.set()

    def _send_waiting(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, OrderedDict()
        for key, values in waiting.items():
            for value in values:
                message = self._core.take(key, value)
                if message is not None:
                    self._send(message)
        if self._dropped and time.monotonic() > self._told_s + 1.0:
            self._told_s = time.monotonic()
            _log.warning("%d changes were dropped so far, the oldest of devices with more than %d waiting", self._dropped, _MOST_WAITING)

    def _send(self, message: Message) -> None:
        key, payload = message
        try:
            self._producer.produce(self._topic, payload, key=key)
            self.sent += 1
        except BufferError:  # the broker is away, and the queue full: the newest of each device comes with the next resend
            self._dropped += 1


def _own_parameters(setups: dict[str, Setup]) -> dict[str, Any]:
    """Return what the setup `collector` says of Kafka."""
    return next((dict(config.parameters) for config in _configs(setups) if config.class_name == _FORWARDER), {})


def _collector_cache(setups: dict[str, Setup]) -> str:
    return next((str(config.parameters["cache"]) for config in _configs(setups) if config.parameters.get("cache")), "")


def _configs(setups: dict[str, Setup]) -> list[Any]:
    setup = setups.get("collector")
    return [config for config in (setup.devices if setup is not None else {}).values() if config is not None]


def _words(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else [str(one) for one in given]
