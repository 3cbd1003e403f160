"""Writer module ADAr: the older form of ad00. Source: docs/reference/contracts/filewriter.md, "Writer modules"."""

from testbeam.services.filewriter.modules import ad00


class Module(ad00.Module):
    """As ad00."""

    schema = b"ADAr"
