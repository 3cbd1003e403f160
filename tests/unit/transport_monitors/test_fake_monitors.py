from testbeam.model.samples import ConnectionState
from testbeam.model.updates import UpdateBatch
from testbeam.transport.monitors.fake import FakeMonitors

MS = 1_000_000


class Clock:
    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def fake(seed: int = 1, period_ms: int = 100) -> tuple[FakeMonitors, Clock]:
    clock = Clock()
    return FakeMonitors(period_ms=period_ms, seed=seed, clock=clock), clock


def rows(batch: UpdateBatch) -> list[tuple[int, float, int]]:
    return [row for columns in batch.values for row in columns.rows()]


def numbers(seed: int, channel: str) -> list[float]:
    monitors, clock = fake(seed)
    monitors.subscribe(1, channel)
    found = []
    for step in range(5):
        clock.now_ns = step * 100 * MS
        found += [value for _, value, _ in rows(monitors.drain())]
    return found


def test_a_stream_is_connected_and_gives_a_number_at_once_then_one_a_period() -> None:
    monitors, clock = fake()
    monitors.subscribe(1, "A")

    batch = monitors.drain()
    assert list(batch.connections.state) == [ConnectionState.CONNECTED]
    assert len(batch) == 1
    assert len(monitors.drain()) == 0
    clock.now_ns = 100 * MS
    assert [(stream, time_ns) for stream, _, time_ns in rows(monitors.drain())] == [(1, 100 * MS)]


def test_a_late_look_gives_one_number_and_keeps_the_rhythm() -> None:
    monitors, clock = fake()
    monitors.subscribe(1, "A")
    monitors.drain()
    clock.now_ns = 950 * MS
    assert len(monitors.drain()) == 1

    clock.now_ns = 999 * MS
    assert len(monitors.drain()) == 0
    clock.now_ns = 1000 * MS
    assert len(monitors.drain()) == 1


def test_a_seed_gives_the_same_numbers_and_each_pv_its_own() -> None:
    assert numbers(1, "A") == numbers(1, "A")
    assert len(set(numbers(1, "A"))) == 5
    assert numbers(1, "A") != numbers(1, "B")
    assert numbers(1, "A") != numbers(2, "A")


def test_what_is_unsubscribed_is_silent() -> None:
    monitors, clock = fake()
    monitors.subscribe(1, "A")
    monitors.subscribe(2, "B")
    monitors.drain()
    monitors.unsubscribe(1)
    clock.now_ns = 100 * MS

    assert [stream for stream, _, _ in rows(monitors.drain())] == [2]
    monitors.close()
    assert len(monitors.drain()) == 0
