"""Topic and partition: the key by which offsets and counts of Kafka's messages are kept."""

from typing import TypeAlias

TopicPartition: TypeAlias = tuple[str, int]
"""A topic's name and the number of one of its partitions, from 0."""
