"""Speed of our codecs, verification included, against ess-streaming-data-types: `testbeam bench codecs`.

That library verifies nothing. Times are CPU µs per message. Where the table of targets has a later, higher one which is
reached already, that one is asked for.
"""

# ruff: noqa: A005 - named for what it measures, and only ever imported from its package

from collections.abc import Callable
from typing import Any

import numpy as np
from streaming_data_types import dataarray_da00 as library_da00
from streaming_data_types.eventdata_ev44 import deserialise_ev44, serialise_ev44
from streaming_data_types.logdata_f144 import deserialise_f144, serialise_f144

from benchmarks.harness import Result, at_least, interleaved
from testbeam.model.arrays import LabelledArray, Variable
from testbeam.model.samples import Events, LogValue
from testbeam.wire.flatbuffers.schemas.columns_ev44 import decode_ev44_columns
from testbeam.wire.flatbuffers.schemas.columns_f144 import decode_f144_columns
from testbeam.wire.flatbuffers.schemas.events_ev44 import decode_ev44, encode_ev44
from testbeam.wire.flatbuffers.schemas.labelled_array_da00 import decode_da00, encode_da00
from testbeam.wire.flatbuffers.schemas.log_value_f144 import F144Bank, F144Template, decode_f144, encode_f144
from testbeam.wire.flatbuffers.schemas.template_da00 import Da00Template

NAME = "YMIR:SE:TEMP-1:READBACK"
BATCH = 1_000


def run() -> list[Result]:
    """Return all figures; takes about 5 s."""
    return [*_f144(), *(result for events in (100, 1_000, 10_000) for result in _ev44(events)), *_da00()]


def _f144() -> list[Result]:
    value, timestamp_ns = np.float64(294.7), 1_700_000_000_123_456_789
    log_value = LogValue(source_name=NAME, value=value, timestamp_ns=timestamp_ns)
    template = F144Template(NAME, np.float64)
    message = serialise_f144(NAME, value, timestamp_ns)
    assert message == encode_f144(log_value) == template.fill(value, timestamp_ns)
    assert deserialise_f144(message).value == decode_f144(message).value
    names = [f"YMIR:SE:TEMP-{number:04}:READBACK" for number in range(BATCH)]
    bank = F144Bank([F144Template(name, np.float64) for name in names])
    sources, values, times = np.arange(BATCH), np.arange(BATCH) + 0.5, np.arange(BATCH) + timestamp_ns
    messages = bank.fill(sources, values, times)
    assert deserialise_f144(messages[7]).source_name == names[7]
    assert decode_f144_columns(messages).columns[0].value.tolist() == values.tolist()

    def encode_by_library() -> Any:
        return serialise_f144(NAME, value, timestamp_ns)

    def decode_by_library() -> Any:
        return deserialise_f144(message)

    return [
        _against("f144 encode", encode_by_library, lambda: encode_f144(log_value), target=20),
        _against("f144 encode, template", encode_by_library, lambda: template.fill(value, timestamp_ns), target=100),
        _against("f144 encode, 1000 sources at once", encode_by_library, lambda: bank.fill(sources, values, times), 100, BATCH),
        _against("f144 decode", decode_by_library, lambda: decode_f144(message), target=8),
        _against("f144 decode, 1000 sources at once", decode_by_library, lambda: decode_f144_columns(messages), 8, BATCH),
    ]


def _ev44(count: int) -> list[Result]:
    events = Events(
        source_name="ymir_detector",
        message_id=1,
        reference_time_ns=np.array([1_700_000_000_000_000_000]),
        reference_time_index=np.zeros(1, np.int32),
        time_of_flight_ns=np.arange(count, dtype=np.int32),
        pixel_id=np.arange(count, dtype=np.int32),
    )
    message = encode_ev44(events)
    arrays = (events.reference_time_ns, events.reference_time_index, events.time_of_flight_ns, events.pixel_id)

    def encode_by_library() -> Any:
        return serialise_ev44(events.source_name, 1, *arrays)

    assert message == encode_by_library()
    assert np.array_equal(decode_ev44(message).pixel_id, deserialise_ev44(message).pixel_id)
    return [
        _against(f"ev44 encode, {count} events", encode_by_library, lambda: encode_ev44(events), target=4),
        _against(f"ev44 decode, {count} events", lambda: deserialise_ev44(message), lambda: decode_ev44(message), target=5),
        *([_columns(message, count)] if count <= 1_000 else []),
    ]


def _da00() -> list[Result]:
    """Return the figures of an image of 100 × 100 doubles with its two axes."""
    image, edges, timestamp_ns = np.arange(10_000.0).reshape(100, 100), np.arange(101.0), 1_700_000_000_123_456_789
    variables = (
        Variable(name="signal", data=image, axes=("y", "x"), unit="counts"),
        *(Variable(name=name, data=edges, axes=(name,), unit="mm") for name in ("x", "y")),
    )
    array = LabelledArray(source_name=NAME, timestamp_ns=timestamp_ns, variables=variables)
    template, data = Da00Template(NAME, variables), [variable.data for variable in variables]
    theirs = [library_da00.Variable(name=v.name, data=v.data, axes=list(v.axes), unit=v.unit) for v in variables]

    def encode_by_library() -> Any:
        return library_da00.serialise_da00(NAME, timestamp_ns, theirs)

    message = encode_by_library()
    assert message == encode_da00(array) == template.fill(timestamp_ns, data)
    assert np.array_equal(library_da00.deserialise_da00(message).data[0].data, decode_da00(message).variables[0].data)
    return [
        _against("da00 encode, 100×100, template", encode_by_library, lambda: template.fill(timestamp_ns, data), target=40),
        _against("da00 encode, 100×100", encode_by_library, lambda: encode_da00(array), target=10),
        _against("da00 decode, 100×100", lambda: library_da00.deserialise_da00(message), lambda: decode_da00(message), target=6),
    ]


def _columns(message: bytes, count: int) -> Result:
    """Return the figure for columns by source, ready to be appended to a file: against decode and concatenation by the library."""
    messages = [message] * 100

    def by_library() -> Any:
        decoded = [deserialise_ev44(one) for one in messages]
        return [np.concatenate([one[field] for one in decoded]) for field in range(2, 6)]

    name = f"ev44 columns, {count} events"
    return _against(name, by_library, lambda: decode_ev44_columns(messages), target=3, batch=100, baseline_batch=100)


def _against(
    name: str, library: Callable[[], Any], ours: Callable[[], Any], target: float, batch: int = 1, baseline_batch: int = 1
) -> Result:
    library_s, ours_s = interleaved(library, ours)
    return at_least(name, value=ours_s / batch * 1e6, baseline=library_s / baseline_batch * 1e6, target=target)
