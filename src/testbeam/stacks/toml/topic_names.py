"""Which parameters of our roles are topics, so that one prefix names them all."""

from collections.abc import Container
from typing import Any

from testbeam.stacks.topics import Topics

# role → parameter → the topic's word in `Topics`
_TOPICS = {
    "forwarder": {"config_topic": "forwarder_commands", "status_topic": "forwarder_status", "storage_topic": "forwarder_storage"},
    "filewriter": {"pool_topic": "pool", "status_topic": "writer_status", "control_topic": "control"},
    "event_source": {"detector_topic": "detector", "monitor_topic": "beam_monitor", "status_topic": "source_status"},
}


def topic_arguments(role: str, prefix: str, further: tuple[Any, ...], parameters: Container[str]) -> dict[str, Any]:
    """Return the topics that a role is given where its table names none; a broker gets `further` ones besides.

    Roles of other packages are given none.
    """
    topics = Topics(prefix=prefix)
    arguments = {word: getattr(topics, topic) for word, topic in _TOPICS.get(role, {}).items() if word in parameters}
    return arguments | {"topics": (*topics.all, *further)} if role == "broker" else arguments
