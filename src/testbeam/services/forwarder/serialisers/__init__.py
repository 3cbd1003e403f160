"""Serialisers: values of PVs as messages, one module a schema. To add one, add its module and a line here.

A module is loaded with the first value that it serialises: numpy, which it needs, would take up half of the forwarder's start.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Protocol

from testbeam.model.samples import Severity
from testbeam.model.updates import Form

Serialise = Callable[[Any, int], bytes | None]
"""Return the message for (value, EPICS time in ns), None where this value gives none; raise WireError where it has no place in it."""


class Source(Protocol):
    """One stream, as its serialiser sees it; `missed` counts updates that the serialiser found to be missing before it."""

    missed: int

    @property
    def name(self) -> str:
        """Return the source name."""

    def alarm_at(self, timestamp_ns: int) -> tuple[Severity, str]:
        """Return the alarm of the update at this time."""


MakeSerialise = Callable[[Source, Form, str], Serialise]
"""Return a Serialise for one stream (form and dtype of its values); raise WireError where the schema can't carry the kind."""


def _in(module: str, name: str) -> MakeSerialise:
    def make(source: Source, form: Form, dtype: str) -> Serialise:
        made: MakeSerialise = getattr(import_module(f"{__name__}.{module}"), name)
        return made(source, form, dtype)

    return make


def _nothing(_source: Source, _form: Form, _dtype: str) -> Serialise:
    return lambda _value, _timestamp_ns: None


SERIALISERS: Mapping[str, MakeSerialise] = MappingProxyType(
    {
        "ad00": _in("ad00", "ad00"),
        "f142": _in("f142", "f142"),
        "f144": _in("f144", "f144"),
        "se00": _in("sample_series", "se00"),
        "senv": _in("sample_series", "senv"),
        "tdct": _in("tdct", "tdct"),
        # The names that the field's forwarder has for them.
        "nttable_se00": _in("sample_series", "se00"),
        "nttable_senv": _in("sample_series", "senv"),
        # Schemas that carry no values: alarms and connections are sent for every stream, units for those that ask.
        "al00": _nothing,
        "ep01": _nothing,
        "no_op": _nothing,
        "un00": _nothing,
    }
)
WITH_ALARM = frozenset({"f142"})
"""Schemas that carry the alarm of an update with its value."""
WITH_UNITS = frozenset({"un00"})
"""Schemas whose streams send units whether or not all do."""
