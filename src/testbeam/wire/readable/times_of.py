"""Time that a value itself bears."""

from typing import Any

from testbeam.model.samples import Events


def payload_time_ns(value: Any) -> int | None:
    """Return the time inside a value, ns since 1970: its timestamp, or the newest pulse of events; None where it has none."""
    if isinstance(value, Events):
        return int(value.reference_time_ns.max()) if len(value.reference_time_ns) else None
    at_ns = getattr(value, "timestamp_ns", None)
    return None if at_ns is None else int(at_ns)
