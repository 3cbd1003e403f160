"""The fast path sends what the slow one would, message by message, for any mixture of streams, times, types and topics."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from testbeam.model.forwarding import ConfigChange
from testbeam.model.updates import Form, UpdateBatch, ValueColumns
from testbeam.services.forwarder.stream_table import VALUE
from tests.unit.forwarder.forwarding import NOW, Forwarding, S, spec

STREAMS = [
    spec("A"),
    spec("LONGER:NAME"),
    spec("B", topic="other"),
    spec("C", schema="f142"),
    spec("D", periodic=1),
    spec("A", topic="other"),
]

rows = st.lists(st.tuples(st.integers(1, len(STREAMS) + 2), st.integers(-3, 700), st.integers(0, 5)), min_size=1, max_size=25)
batches = st.lists(st.tuples(st.sampled_from(("f8", "i4", "u2")), rows), min_size=1, max_size=6)


def columns(dtype: str, found: list[tuple[int, int, int]], as_arrays: bool) -> UpdateBatch:
    streams, offsets, values = zip(*found, strict=True)
    parts: dict[str, Any] = {
        "stream": np.array(streams, "u4"),
        "timestamp_ns": np.array([NOW + offset * S for offset in offsets]),
        "value": np.array(values, dtype),
    }
    if not as_arrays:
        parts = {name: column.tolist() for name, column in parts.items()}
    form = Form.ENUM if dtype == "u2" else Form.SCALAR
    return UpdateBatch(values=(ValueColumns(form=form, dtype=dtype, **parts),))


def by_key(sent: list[tuple[str, list[tuple[bytes, bytes, int]]]]) -> dict[tuple[str, bytes], list[tuple[bytes, int]]]:
    found: dict[tuple[str, bytes], list[tuple[bytes, int]]] = {}
    for topic, messages in sent:
        for key, payload, timestamp_ms in messages:
            found.setdefault((topic, key), []).append((payload, timestamp_ms))
    return found


def newest(forwarding: Forwarding) -> list[tuple[bytes, bytes, int] | None]:
    return [forwarding.streams.newest_of(number, VALUE) for number in range(len(STREAMS) + 3)]


@given(batches)
@settings(max_examples=150, deadline=None)
def test_fast_and_slow_send_the_same(found: list[tuple[str, list[tuple[int, int, int]]]]) -> None:
    fast, slow = Forwarding(period_ms=1000), Forwarding(period_ms=1000)
    for one in (fast, slow):
        one.add(*STREAMS)
    for dtype, batch in found:
        fast.core.take(columns(dtype, batch, as_arrays=True), NOW)
        slow.core.take(columns(dtype, batch, as_arrays=False), NOW)

        assert by_key(fast.raw()) == by_key(slow.raw())

    assert fast.drops.counts == slow.drops.counts
    assert fast.core.updates == slow.core.updates
    assert [fast.core.updates_of(number) for number in range(1, 10)] == [slow.core.updates_of(number) for number in range(1, 10)]
    assert fast.streams.last_ns == slow.streams.last_ns
    assert newest(fast) == newest(slow)


def test_streams_that_come_and_go_leave_no_room_behind() -> None:
    forwarding = Forwarding()
    for n in range(2000):
        (number,) = forwarding.add(spec(f"P{n % 7}"))
        batch = columns("f8", [(number, 0, n % 5)] * 3, as_arrays=True)
        forwarding.core.take(batch, NOW)
        forwarding.core.take(batch, NOW)
        assert sum(len(messages) for _, messages in forwarding.raw()) == 6
        forwarding.do(ConfigChange.REMOVEALL)

    fast = forwarding.core._fast
    assert fast is not None
    assert sum(bank._rows for bank in fast._banks) < 20
    assert (dict(forwarding.core._updates_of), forwarding.streams.newest, fast._streams, len(fast._topics), int(fast._counts.sum())) == (
        {},
        {},
        {},
        0,
        0,
    )
