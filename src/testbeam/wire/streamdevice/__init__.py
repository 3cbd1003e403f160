"""StreamDevice protocols: their files, format converters and checksums, and how a protocol runs, as values without I/O.

Source: docs/reference/contracts/ioc.md, "Protocols".
"""

from testbeam.wire.streamdevice.compiling import compile_protocol
from testbeam.wire.streamdevice.link import Link, parse_link
from testbeam.wire.streamdevice.program import Program, Settings
from testbeam.wire.streamdevice.protocol_file import ProtocolFile, parse_file

__all__ = ["Link", "Program", "ProtocolFile", "Settings", "compile_protocol", "parse_file", "parse_link"]
