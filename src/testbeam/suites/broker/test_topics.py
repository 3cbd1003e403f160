"""Topics: explicit, with the partitions that were asked for, and said to be missing where they are."""

from typing import Any

import pytest

from testbeam.errors import TopicMissing


def test_a_topic_has_the_partitions_that_it_was_made_with(topic: Any) -> None:
    assert topic("data", partitions=3).watermarks() == {0: (0, 0), 1: (0, 0), 2: (0, 0)}


def test_a_topic_that_nobody_made_is_missing_and_stays_so(run: Any, name: Any) -> None:
    for _ in range(2):
        with pytest.raises(TopicMissing):
            run["broker"].topic(name("nothing"))


def test_making_a_topic_again_changes_nothing(run: Any, topic: Any) -> None:
    data = topic("data", partitions=2)
    data.produce(b"first")

    run["broker"].create_topics({data.name: 2})

    assert [one.payload for one in data.messages()] == [b"first"]
