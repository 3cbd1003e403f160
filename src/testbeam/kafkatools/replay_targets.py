"""Topics that a recording goes to: whether they can take it, and what is to be created first."""

import difflib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]  # their stubs forget it

from testbeam.errors import SettingsError, TopicMissing, TransportError
from testbeam.kafkatools.recording_file import Summary
from testbeam.model.time import NS_PER_MS
from testbeam.transport.kafka.client import Kafka, create_topics

_OVERHEAD = 200  # bytes that Kafka's framing adds to one message in its own batch, with room to spare
_FOREVER = {"retention.ms": "-1", "message.timestamp.type": "CreateTime", "max.message.bytes": "104857600"}
_DAY_MS = 86_400_000
_BATCH_SIZE = 1_000_000  # librdkafka's default


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Topics that are ready to be sent to: how large a batch may be for the strictest of them, and what the user should know."""

    batch_size: int
    warnings: tuple[str, ...] = ()


def prepare(kafka: Kafka, told: Summary, targets: Mapping[str, str], *, create: bool, keep_times: bool, same_topics: bool) -> Prepared:
    """Check the topics of `targets` (recorded → target), and create the missing ones where asked, with as many partitions.

    Raises:
        TopicMissing: a topic is missing and `create` is not set.
        SettingsError: the messages would go back into the topics they come from, and `same_topics` is not set.
        TransportError: a topic has too few partitions or can't take the messages' size or times.
    """
    there, cluster_id = _metadata(kafka)
    if not same_topics and told.about is not None and told.about.cluster_id and told.about.cluster_id == cluster_id:
        _check_other(kafka, targets)
    missing = {target: told.topics[topic] for topic, target in targets.items() if target not in there}
    if missing and not create:
        name = min(missing)
        raise TopicMissing(name, kafka.bootstrap, (*difflib.get_close_matches(name, there), "`create=True`, which makes it"))
    _create(kafka, missing)
    limits = [_check(kafka, told, topic, target, there.get(target), keep_times) for topic, target in targets.items()]
    warnings = tuple(limit[1] for limit in limits if limit[1])
    return Prepared(batch_size=min([_BATCH_SIZE, *(limit[0] for limit in limits)]), warnings=warnings)


def _metadata(kafka: Kafka) -> tuple[dict[str, int], str]:
    try:
        metadata = kafka.admin().list_topics(timeout=10)
    except KafkaException as error:
        raise TransportError(f"{kafka.bootstrap}: no metadata within 10 s ({error.args[0].str()}); is the broker up?") from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}, metadata.cluster_id or ""


def _check_other(kafka: Kafka, targets: Mapping[str, str]) -> None:
    same = [topic for topic, target in targets.items() if topic == target]
    if same:
        way = "`prefix` or `renames`, or `same_topics=True` if you mean to double its messages"
        raise SettingsError("topic", same[0], f"another name: it was recorded from this very broker ({kafka.bootstrap}); {way}")


def _create(kafka: Kafka, missing: Mapping[str, int]) -> None:
    create_topics(kafka, missing, config=_FOREVER)


def _check(kafka: Kafka, told: Summary, topic: str, target: str, partitions: int | None, keep_times: bool) -> tuple[int, str]:
    """Return the largest batch that a topic takes and a warning; a topic that was just created (None) takes all."""
    if partitions is None:
        return _BATCH_SIZE, ""
    used = 1 + max((partition for name, partition in told.messages if name == topic), default=-1)
    if used > partitions:
        way = f"give it {used}, or send it to a new topic with `renames` and `create=True`"
        raise TransportError(f"topic {target!r} on {kafka.bootstrap} has {partitions} partitions; the recording has {used}; {way}")
    config = _config(kafka, target)
    limit = int(config.get("max.message.bytes", _BATCH_SIZE))
    if told.largest.get(topic, 0) + _OVERHEAD > limit:
        way = "raise its max.message.bytes, or send it to a new topic with `renames` and `create=True`"
        raise TransportError(
            f"topic {target!r} on {kafka.bootstrap} takes {limit} bytes; a recorded message has {told.largest[topic]}; {way}"
        )
    return limit, _check_times(kafka, told, target, config) if keep_times else ""


def _check_times(kafka: Kafka, told: Summary, target: str, config: Mapping[str, str]) -> str:
    """Return a warning where the broker would soon delete the messages for their age, or give them other times."""
    now_ms = time.time_ns() // NS_PER_MS
    first_ms, last_ms = told.first_ms or now_ms, told.last_ms or now_ms
    after_ms, before_ms = (int(config.get(f"message.timestamp.{side}.max.ms", 1 << 62)) for side in ("after", "before"))
    if last_ms - now_ms > after_ms or now_ms - first_ms > before_ms:
        raise TransportError(
            f"topic {target!r} on {kafka.bootstrap} refuses times as old or new as the recorded ones; replay with `keep_times=False`"
        )
    if config.get("message.timestamp.type") == "LogAppendTime":
        return f"topic {target!r} gives every message the time of its arrival (LogAppendTime); the recorded times are not kept"
    retention_ms = int(config.get("retention.ms", -1))
    if 0 <= retention_ms < now_ms - first_ms:
        kept, age = retention_ms / _DAY_MS, (now_ms - first_ms) / _DAY_MS
        way = "use `keep_times=False` or `create=True`"
        return f"topic {target!r} deletes messages after {kept:g} days, and these are {age:.1f} days old; {way}"
    return ""


def _config(kafka: Kafka, topic: str) -> dict[str, str]:
    """Return a topic's configuration; empty where we may not ask for it, so that nothing is checked."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    admin = kafka.admin()
    try:
        entries: Mapping[str, Any] = admin.describe_configs([resource], request_timeout=10)[resource].result(10)
    except KafkaException:
        return {}
    return {name: entry.value for name, entry in entries.items() if entry.value is not None}
