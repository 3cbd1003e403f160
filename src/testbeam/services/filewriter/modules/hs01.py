"""Writer module hs01: hs00 with signed integers. Source: docs/reference/contracts/filewriter.md, "Writer modules"."""

from testbeam.services.filewriter.modules import hs00


class Module(hs00.Module):
    """As hs00."""

    schema = b"hs01"
    default_dtype = "int64"
