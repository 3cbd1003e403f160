"""tdct out of a PV's value: times in ns relative to the EPICS time of the update; an empty one gives no message and does not count."""

from itertools import count
from typing import Any

import numpy as np

from testbeam.errors import WireError
from testbeam.model.samples import TimeSeries
from testbeam.model.updates import Form
from testbeam.services.forwarder.serialisers import Serialise, Source
from testbeam.wire.flatbuffers.schemas.time_series_tdct import encode_tdct

_LARGEST_NS = float(2**61)


def tdct(source: Source, form: Form, dtype: str) -> Serialise:
    """Return what serialises the values of one PV of this kind.

    Raises:
        WireError: they are no numbers.
    """
    if form not in (Form.SCALAR, Form.ARRAY) or dtype[:1] not in "iuf":
        raise WireError("tdct", f"a value of kind {form.value} of {dtype} has no place in it; it takes numbers, ns from the EPICS time on")
    counter = count()

    def serialise(value: Any, timestamp_ns: int) -> bytes | None:
        offsets = np.atleast_1d(np.asarray(() if value is None else value))
        if not offsets.size:
            return None
        times = _whole(offsets) + timestamp_ns
        if times.min() < 0:
            raise WireError("tdct", f"a time of {times.min()} ns has no place in it: it lies before 1970")
        return encode_tdct(TimeSeries(source_name=source.name, timestamps_ns=times.astype(np.uint64), sequence_counter=next(counter)))

    return serialise


def _whole(offsets: Any) -> Any:
    if not (np.abs(offsets.astype(np.float64)) < _LARGEST_NS).all():  # NaN is not, either
        raise WireError("tdct", "a time that is no number, or further away than 73 years, has no place in it")
    return np.rint(offsets).astype(np.int64) if offsets.dtype.kind == "f" else offsets.astype(np.int64)
