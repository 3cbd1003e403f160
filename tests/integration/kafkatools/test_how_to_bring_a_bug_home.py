"""The how-to is run as it stands, with the test's broker in the place of its hosts."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testbeam.clients.topics import TopicHandle
from testbeam.stacks.roles.broker.declaration import BrokerHandle
from testbeam.transport.kafka.client import Kafka
from tests.hostile.corpus import VALID
from tests.integration.kafkatools.sending import message, send

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "bring-a-production-bug-home.md"

NewTopic = Callable[..., TopicHandle]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", HOW_TO.read_text(), re.DOTALL)


def test_every_line_and_every_test_of_the_how_to_works(
    shared_broker: BrokerHandle,
    kafka: Kafka,
    new_topic: NewTopic,
    command: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shared_broker.create_topics({"loki_motion": 2, "loki_detector": 1})
    now_ms = 1_000 * int(Path("/proc/self").stat().st_ctime)
    send(kafka, "loki_motion", [message(n, value=VALID["f144"], partition=n % 2, timestamp_ms=now_ms) for n in range(20)])
    send(kafka, "loki_detector", [message(n, value=VALID["ev44"], timestamp_ms=now_ms) for n in range(20)])

    for line in "".join(blocks("console")).splitlines():
        words = re.sub(r"kafka\.example\.org:9092|localhost:9092", kafka.bootstrap, line.removeprefix("$ testbeam ")).split()
        assert command(*words) == 0, line
        shown = capsys.readouterr()
        assert shown.out or shown.err, line
    assert len(list(kafka.admin().list_topics(timeout=60).topics["home_loki_motion"].partitions)) == 2

    tests = [_only_test(source) for source in blocks("python")]
    for test in tests:
        test({"broker": shared_broker}, new_topic)
    assert len(tests) == 2


def _only_test(source: str) -> Callable[..., None]:
    names: dict[str, Any] = {}
    exec(compile(source, str(HOW_TO), "exec"), names)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    return test  # type: ignore[no-any-return]
