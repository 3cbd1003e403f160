"""What does the forwarder ask of a schema?"""

from collections.abc import Callable
from typing import Any

from testbeam.model.updates import Form

Serialise = Callable[[Any, int], bytes]
"""Return the message for (value, EPICS time in ns); raise WireError where this value has no place in it."""

MakeSerialise = Callable[[str, Form, str], Serialise]
"""Return a Serialise for one PV (source name, form and dtype of its values); raise WireError where the schema can't carry the kind."""
