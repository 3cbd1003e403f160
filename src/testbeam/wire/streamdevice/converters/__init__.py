"""The converters of StreamDevice, one module for each kind; importing this package registers all."""

from testbeam.wire.streamdevice.converters import (
    binary,
    checksums,
    enums,
    numbers,
    raw,
    regular_expressions,
    strings,
    timestamps,
)

__all__ = ["binary", "checksums", "enums", "numbers", "raw", "regular_expressions", "strings", "timestamps"]
