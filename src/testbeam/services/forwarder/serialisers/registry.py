"""Which schemas can a stream ask for? To add one, add its module, and a function and a line here.

A module is loaded with the first value that it serialises: numpy, which it needs, would take up half of the forwarder's start.
"""

from collections.abc import Mapping
from types import MappingProxyType

from testbeam.model.updates import Form
from testbeam.services.forwarder.serialisers.seam import MakeSerialise, Serialise


def _f144(source_name: str, form: Form, dtype: str) -> Serialise:
    from testbeam.services.forwarder.serialisers.log_value import f144

    return f144(source_name, form, dtype)


SERIALISERS: Mapping[str, MakeSerialise] = MappingProxyType({"f144": _f144})
