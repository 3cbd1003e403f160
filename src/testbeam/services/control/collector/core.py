"""Messages of the collector from changes in the cache: f144 for numbers, al00 for states. Pure.

Key and source name are the device's name in lower case. Truth values are whole numbers, texts are nothing; an alarm is sent when it
changes. What is sent again bears its old time, so that a receiver can tell it from news.
Source: docs/reference/contracts/control.md, "Collector".
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from testbeam.errors import WireError
from testbeam.model.samples import Alarm, LogValue, Severity
from testbeam.model.time import NS_PER_S
from testbeam.services.control.devices.status import State
from testbeam.transport.nicos.cache import CacheValue
from testbeam.wire.flatbuffers.schemas.alarm_al00 import encode_al00
from testbeam.wire.flatbuffers.schemas.log_value_f144 import encode_f144

_SEVERITIES = {State.WARN: Severity.MINOR, State.ERROR: Severity.MAJOR}
Message = tuple[bytes, bytes]  # key, payload


@dataclass(slots=True)
class Core:
    """The newest value and state of each device."""

    ignored: frozenset[str] = frozenset()
    values: dict[str, bytes] = field(default_factory=dict)
    alarms: dict[str, tuple[Severity, str, bytes]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    def take(self, key: str, value: CacheValue) -> Message | None:
        """Take a change in; return what is to be sent, None where nothing is."""
        device, _, word = key.rpartition("/")
        if word not in ("value", "status") or not device or device in self.ignored or value.expired:
            return None
        try:
            payload = self._value(device, value) if word == "value" else self._alarm(device, value)
        except (WireError, ValueError, TypeError, OverflowError) as error:
            self._drop(f"not encodable: {type(error).__name__}")
            return None
        return None if payload is None else (device.encode(), payload)

    def again(self) -> Iterator[Message]:
        """Yield the newest of every device, with their old times."""
        for device, payload in self.values.items():
            yield device.encode(), payload
        for device, (_, _, payload) in self.alarms.items():
            yield device.encode(), payload

    def _value(self, device: str, value: CacheValue) -> bytes | None:
        plain = value.value
        if isinstance(plain, bool):
            plain = int(plain)
        if isinstance(plain, list | tuple) and plain and all(isinstance(one, int | float) for one in plain):
            number: Any = np.asarray(plain, dtype=np.float64 if any(isinstance(one, float) for one in plain) else np.int64)
        elif isinstance(plain, int):
            number = np.int64(plain)
        elif isinstance(plain, float):
            number = np.float64(plain)
        else:
            self._drop(f"not a number: {type(plain).__name__}")
            return None
        payload = encode_f144(LogValue(source_name=device, value=number, timestamp_ns=round(value.time_s * NS_PER_S)))
        self.values[device] = payload
        return payload

    def _alarm(self, device: str, value: CacheValue) -> bytes | None:
        state, text = value.value
        severity = _SEVERITIES.get(state, Severity.OK)
        known = self.alarms.get(device)
        if known is not None and known[:2] == (severity, str(text)):
            return None
        payload = encode_al00(Alarm(source_name=device, timestamp_ns=round(value.time_s * NS_PER_S), severity=severity, message=str(text)))
        self.alarms[device] = severity, str(text), payload
        return payload

    def _drop(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
