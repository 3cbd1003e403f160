import os

from testbeam.runtime.heartbeat import Heartbeat
from testbeam.wire.flatbuffers.schemas.service_status_x5f2 import decode_x5f2


def beat() -> Heartbeat:
    return Heartbeat("forwarder", "fw-1", interval_s=4.0)


def test_the_first_beat_is_at_once_then_one_an_interval() -> None:
    heartbeat = beat()

    assert [now for now in (0.0, 0.1, 3.9, 4.0, 4.1, 8.0) if heartbeat.due(now)] == [0.0, 4.0, 8.0]


def test_a_late_look_is_one_beat() -> None:
    heartbeat = beat()
    heartbeat.due(0.0)

    assert heartbeat.due(100.0)
    assert not heartbeat.due(100.1)


def test_soon_makes_the_next_look_due() -> None:
    heartbeat = beat()
    heartbeat.due(0.0)
    heartbeat.soon()

    assert heartbeat.due(0.1)


def test_the_message_tells_who_speaks_and_how_often() -> None:
    status = decode_x5f2(beat().encode('{"streams": []}'))

    assert (status.software_name, status.service_id, status.update_interval_ms) == ("forwarder", "fw-1", 4_000)
    assert status.process_id == os.getpid()
    assert status.status_json == '{"streams": []}'
