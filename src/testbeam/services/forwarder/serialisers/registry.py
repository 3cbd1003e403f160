"""Which schemas can a stream ask for? To add one, add its module and one line here."""

from collections.abc import Mapping
from types import MappingProxyType

from testbeam.services.forwarder.serialisers.log_value import f144
from testbeam.services.forwarder.serialisers.seam import MakeSerialise

SERIALISERS: Mapping[str, MakeSerialise] = MappingProxyType({"f144": f144})
