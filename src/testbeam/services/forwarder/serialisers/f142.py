"""f142 out of a PV's value: as f144, and text, each with the alarm of the same update."""

from functools import partial
from typing import Any

import numpy as np

from testbeam.errors import WireError
from testbeam.model.samples import AlarmedLogValue, AlarmStatus
from testbeam.model.updates import Form
from testbeam.services.forwarder.serialisers import Serialise, Source
from testbeam.wire.flatbuffers.schemas.alarmed_log_value_f142 import encode_f142

_SUFFIX = "_ALARM"  # of QSRV's names for a status
_OTHER_NAMES = {"TIMEOUT": AlarmStatus.TIMED, "": AlarmStatus.NO_ALARM}


def f142(source: Source, form: Form, dtype: str) -> Serialise:
    """Return what serialises the values of one PV of this kind.

    Raises:
        WireError: f142 has no place for this kind.
    """
    if dtype == "O" or form not in (Form.SCALAR, Form.ENUM, Form.ARRAY):
        raise WireError("f142", f"a value of kind {form.value} has no place in it; it takes text, numbers, enums and 1-D arrays")
    number = np.dtype("i1" if dtype == "?" else dtype)
    convert = tuple if form is Form.ARRAY and dtype == "U" else str if dtype == "U" else partial(np.asarray, dtype=number)
    return partial(_serialise, source, convert)


def status_of(message: str) -> AlarmStatus:
    """Return the status that an alarm's message names, UDF where it is none of EPICS' names."""
    name = message.removesuffix(_SUFFIX)
    if message in AlarmStatus.__members__:
        return AlarmStatus[message]
    return AlarmStatus.__members__.get(name) or _OTHER_NAMES.get(name, AlarmStatus.UDF)


def _serialise(source: Source, convert: Any, value: Any, timestamp_ns: int) -> bytes:
    severity, message = source.alarm_at(timestamp_ns)
    status = status_of(message)
    return encode_f142(
        AlarmedLogValue(source_name=source.name, value=convert(value), timestamp_ns=timestamp_ns, status=status, severity=severity)
    )
