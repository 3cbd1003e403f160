"""Kafka producer by the block, on librdkafka's own interface: the same library, loaded by confluent_kafka, without an object a message.

A message costs its sender a third of what it costs through confluent_kafka, whose producer takes its place wherever this can't be had.
Source: rdkafka.h of librdkafka 2.
"""

import ctypes
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Producer

from testbeam.errors import TransportError
from testbeam.model.message_rows import MessageRows

LIBRARY = Path(__file__).with_name("_batch_producer.so")
VERSION = 1  # as batch_version() of batch_producer.c: raise both with any change of its functions

_MAPS = Path("/proc/self/maps")
_NAME = "librdkafka"
_PRODUCER = 0  # rd_kafka_type_t
_CONF_OK = 0
_PURGE_ALL = 1 | 2  # RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT
_ERROR_BYTES = 512
_ANY_PARTITION = -1
_POINTER, _INT, _I64, _SIZE, _TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_size_t, ctypes.c_char_p


class _Message(ctypes.Structure):
    """`rd_kafka_message_t`."""

    _fields_ = (
        ("err", _INT),
        ("topic", _POINTER),
        ("partition", ctypes.c_int32),
        ("payload", _POINTER),
        ("len", _SIZE),
        ("key", _POINTER),
        ("key_len", _SIZE),
        ("offset", _I64),
        ("opaque", _POINTER),
    )


_Report = ctypes.CFUNCTYPE(None, _POINTER, ctypes.POINTER(_Message), _POINTER)
_KAFKA: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "rd_kafka_conf_new": (_POINTER, ()),
    "rd_kafka_conf_destroy": (None, (_POINTER,)),
    "rd_kafka_conf_set": (_INT, (_POINTER, _TEXT, _TEXT, _TEXT, _SIZE)),
    "rd_kafka_conf_set_dr_msg_cb": (None, (_POINTER, _Report)),
    "rd_kafka_new": (_POINTER, (_INT, _POINTER, _TEXT, _SIZE)),
    "rd_kafka_destroy": (None, (_POINTER,)),
    "rd_kafka_topic_new": (_POINTER, (_POINTER, _TEXT, _POINTER)),
    "rd_kafka_topic_destroy": (None, (_POINTER,)),
    "rd_kafka_topic_name": (_TEXT, (_POINTER,)),
    "rd_kafka_poll": (_INT, (_POINTER, _INT)),
    "rd_kafka_flush": (_INT, (_POINTER, _INT)),
    "rd_kafka_purge": (_INT, (_POINTER, _INT)),
    "rd_kafka_outq_len": (_INT, (_POINTER,)),
    "rd_kafka_fatal_error": (_INT, (_POINTER, _TEXT, _SIZE)),
    "rd_kafka_last_error": (_INT, ()),
}
_BATCH: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "batch_one": (_INT, (_POINTER, _POINTER, _POINTER, _TEXT, _SIZE, _TEXT, _SIZE, _I64)),
    "batch_rows": (_I64, (_POINTER, _POINTER, _POINTER, _POINTER, _I64, _I64, _I64, _POINTER, _POINTER)),
}
_QUEUE_FULL, _FATAL = KafkaError._QUEUE_FULL, KafkaError._FATAL  # noqa: SLF001 — the names the library gives them


class _Libraries(NamedTuple):
    kafka: ctypes.CDLL
    batch: ctypes.CDLL
    produce: int  # the address of rd_kafka_producev


@cache
def _libraries() -> _Libraries | str:
    """Return librdkafka as it is loaded, and our own; or why not, where one is not there or is another than this module was made for."""
    if not LIBRARY.exists():
        return f"{LIBRARY} is missing"
    try:
        batch = ctypes.CDLL(str(LIBRARY))
        if (version := batch.batch_version()) != VERSION:
            return f"{LIBRARY} was built from another batch_producer.c (version {version}, not {VERSION})"
        kafka = ctypes.CDLL(_loaded_librdkafka())
        for library, functions in ((kafka, _KAFKA), (batch, _BATCH)):
            for name, (result, arguments) in functions.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
        return _Libraries(kafka, batch, ctypes.cast(kafka.rd_kafka_producev, _POINTER).value or 0)
    except (OSError, AttributeError) as error:
        return str(error)


def _loaded_librdkafka() -> str:
    """Return the path by which confluent_kafka has it; raise OSError where there is not just one."""
    loaded = {line.split(maxsplit=5)[-1].strip() for line in _MAPS.read_text().splitlines() if _NAME in line}
    if len(loaded) != 1:
        raise OSError(f"confluent_kafka has {' and '.join(sorted(loaded)) or 'no library of the name'} in place of one {_NAME}")
    return loaded.pop()


def why_not(config: Mapping[str, Any]) -> str:
    """Return why there can be no batch producer of this configuration; empty where there can."""
    for name, value in config.items():
        if not isinstance(value, str | int | float):
            return f"{name} is an option that only Python can hold"
    found = _libraries()
    return found if isinstance(found, str) else ""


class Failed(NamedTuple):
    """A message that was given up, as confluent_kafka's reports have it."""

    of_topic: str
    by_key: bytes
    payload: bytes

    def topic(self) -> str:
        """Return the topic."""
        return self.of_topic

    def key(self) -> bytes:
        """Return the key."""
        return self.by_key

    def value(self) -> bytes:
        """Return the payload."""
        return self.payload


class BatchProducer:
    """A producer with confluent_kafka's methods and `produce_rows`; `on_failure` is called by `poll` and `flush`.

    One thread uses it; another one may ask for its length.

    Raises:
        TransportError: librdkafka does not take the configuration; says why.
    """

    def __init__(self, config: Mapping[str, Any], on_failure: Callable[[KafkaError, Failed], None]) -> None:
        found = _libraries()
        if isinstance(found, str):
            raise TransportError(f"no batch producer: {found}")
        self._kafka, self._batch, self._produce = found
        self._on_failure = on_failure
        self._report = _Report(self._reported)  # must outlive the handle
        self._handle: int | None = self._new(dict(config) | {"delivery.report.only.error": True})
        self._topics: dict[str, int] = {}
        self._error = _INT()
        self._closing = Lock()  # of the handle, against who asks for the length

    def produce(self, topic: str, value: bytes, key: bytes, _partition: int, _delivered: None, _callback: None, timestamp: int, /) -> None:
        """Queue a message, for any partition.

        Raises:
            BufferError: the queue is full.
            KafkaException: it can't be sent.
        """
        place = self._topics.get(topic) or self._topic(topic)
        code = self._batch.batch_one(self._produce, self._handle, place, value, len(value), key, len(key), timestamp)
        if code == _QUEUE_FULL:
            raise BufferError(f"no room for a message to {topic}")
        if code:
            raise KafkaException(self._kafka_error(code))

    def produce_rows(self, topic: str, rows: MessageRows, /) -> tuple[int, KafkaError | None]:
        """Queue messages, for any partition; return how many were queued, and why the one after them was not, None where all were."""
        place = self._topics.get(topic) or self._topic(topic)
        payloads, times = np.ascontiguousarray(rows.payloads), np.ascontiguousarray(rows.timestamps_ms)
        done: int = self._batch.batch_rows(
            self._produce,
            self._handle,
            place,
            payloads.ctypes.data,
            len(payloads),
            payloads.itemsize,
            rows.key_at,
            times.ctypes.data,
            ctypes.byref(self._error),
        )
        return done, None if done == len(payloads) else self._kafka_error(self._error.value)

    def poll(self, timeout: float, /) -> int:
        """Report failures."""
        return 0 if self._handle is None else int(self._kafka.rd_kafka_poll(self._handle, int(1000 * timeout)))

    def flush(self, timeout: float, /) -> int:
        """Wait until the queue is empty; return how many are still in it."""
        if self._handle is not None:
            self._kafka.rd_kafka_flush(self._handle, int(1000 * timeout))
        return len(self)

    def purge(self) -> None:
        """Give up all that waits; `poll` reports it."""
        if self._handle is not None:
            self._kafka.rd_kafka_purge(self._handle, _PURGE_ALL)

    def close(self) -> None:
        """Leave; what still waits is lost without a report. May be called twice."""
        with self._closing:
            handle, self._handle = self._handle, None
        if handle is None:
            return
        self._on_failure = _ignore
        for place in self._topics.values():
            self._kafka.rd_kafka_topic_destroy(place)
        self._topics.clear()
        self._kafka.rd_kafka_purge(handle, _PURGE_ALL)
        self._kafka.rd_kafka_destroy(handle)

    def __len__(self) -> int:
        with self._closing:
            return 0 if self._handle is None else int(self._kafka.rd_kafka_outq_len(self._handle))

    def _new(self, config: Mapping[str, Any]) -> int:
        reason = ctypes.create_string_buffer(_ERROR_BYTES)
        conf = self._kafka.rd_kafka_conf_new()
        for name, value in config.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if self._kafka.rd_kafka_conf_set(conf, name.encode(), text.encode(), reason, _ERROR_BYTES) != _CONF_OK:
                self._kafka.rd_kafka_conf_destroy(conf)
                raise TransportError(f"Kafka option {name}: {reason.value.decode(errors='replace')}")
        self._kafka.rd_kafka_conf_set_dr_msg_cb(conf, self._report)
        handle: int | None = self._kafka.rd_kafka_new(_PRODUCER, conf, reason, _ERROR_BYTES)
        if not handle:
            self._kafka.rd_kafka_conf_destroy(conf)
            raise TransportError(f"no Kafka producer: {reason.value.decode(errors='replace')}")
        return handle

    def _topic(self, name: str) -> int:
        if self._handle is None:
            raise ValueError(f"a message to {name} for a producer that is closed")
        place: int | None = self._kafka.rd_kafka_topic_new(self._handle, name.encode(), None)
        if not place:
            raise KafkaException(self._kafka_error(self._kafka.rd_kafka_last_error()))
        self._topics[name] = place
        return place

    def _kafka_error(self, code: int) -> KafkaError:
        """Return librdkafka's error; one after which it gives the producer up is told by what it was."""
        if code != _FATAL:
            return KafkaError(code)
        reason = ctypes.create_string_buffer(_ERROR_BYTES)
        origin = self._kafka.rd_kafka_fatal_error(self._handle, reason, _ERROR_BYTES)
        return KafkaError(origin or code, reason.value.decode(errors="replace"), fatal=True)

    def _reported(self, _handle: int, message: Any, _opaque: int) -> None:
        found = message.contents
        topic = self._kafka.rd_kafka_topic_name(found.topic).decode()
        key, payload = (ctypes.string_at(at, size) if at else b"" for at, size in ((found.key, found.key_len), (found.payload, found.len)))
        self._on_failure(self._kafka_error(found.err), Failed(topic, key, payload))


def _ignore(_error: KafkaError, _message: Failed) -> None:
    """Take a report that nobody waits for."""


class OneByOne:
    """confluent_kafka's producer in the place of a batch producer: the same methods, a call for each message."""

    def __init__(self, config: Mapping[str, Any], on_failure: Callable[[KafkaError, Any], None]) -> None:
        self._producer = Producer({**config, "on_delivery": on_failure, "delivery.report.only.error": True})
        self.produce, self.poll, self.flush, self.purge = (
            self._producer.produce,
            self._producer.poll,
            self._producer.flush,
            self._producer.purge,
        )

    def produce_rows(self, topic: str, rows: MessageRows, /) -> tuple[int, KafkaError | None]:
        """Queue messages; see `BatchProducer`."""
        for n, (key, payload, timestamp_ms) in enumerate(rows.messages()):
            try:
                self.produce(topic, payload, key, _ANY_PARTITION, None, None, timestamp_ms)
            except BufferError:
                return n, KafkaError(_QUEUE_FULL)
            except KafkaException as error:
                return n, error.args[0]
        return len(rows), None

    def close(self) -> None:
        """Do nothing: the producer leaves when nobody holds it any more."""

    def __len__(self) -> int:
        return len(self._producer)
