"""se00 and senv out of an NTTable with the columns `value` and `timestamp`; one without rows gives no message and does not count."""

from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from testbeam.errors import WireError
from testbeam.model.samples import IntegerSampleSeries, SampleSeries
from testbeam.model.updates import Form
from testbeam.services.forwarder.serialisers import Serialise, Source
from testbeam.wire.flatbuffers.schemas.sample_series_se00 import encode_se00
from testbeam.wire.flatbuffers.schemas.sample_series_senv import encode_senv

_COLUMNS = ("value", "timestamp")


def se00(source: Source, form: Form, dtype: str) -> Serialise:
    """Return what serialises one PV's tables as se00.

    Raises:
        WireError: they are no tables.
    """
    return _series("se00", SampleSeries, encode_se00, np.dtype("i8"), source, form, dtype)


def senv(source: Source, form: Form, dtype: str) -> Serialise:
    """Return what serialises one PV's tables as senv.

    Raises:
        WireError: they are no tables.
    """
    return _series("senv", IntegerSampleSeries, encode_senv, np.dtype("u8"), source, form, dtype)


def _series(schema: str, make: Any, encode: Any, times: np.dtype[Any], source: Source, form: Form, dtype: str) -> Serialise:
    if form is not Form.TABLE:
        raise WireError(schema, f"a value of kind {form.value} of {dtype} has no place in it; it takes an NTTable")
    return partial(_serialise, schema, make, encode, times, source, SimpleNamespace(value=0))


def _serialise(
    schema: str,
    make: Any,
    encode: Any,
    time_type: np.dtype[Any],
    source: Source,
    counter: Any,
    table: Mapping[str, Any],
    _timestamp_ns: int,
) -> bytes | None:
    missing = [name for name in _COLUMNS if name not in table]
    if missing:
        names = ", ".join(table) or "none"
        raise WireError(schema, f"the table has no column {' and no column '.join(missing)}; it has {names}")
    times, values = (np.atleast_1d(np.asarray(() if table[name] is None else table[name])) for name in ("timestamp", "value"))
    if not times.size:
        return None
    if len(times) != len(values):
        raise WireError(schema, f"{len(values)} values have {len(times)} times; one each")
    message = encode(
        make(
            source_name=source.name,
            channel=0,
            timestamp_ns=int(times[0]),
            time_delta_ns=float(times[1] - times[0]) if len(times) > 1 else 0.0,
            message_counter=counter.value,
            values=values,
            timestamps_ns=times.astype(time_type),
        )
    )
    counter.value += 1  # only what was sent counts
    return bytes(message)
