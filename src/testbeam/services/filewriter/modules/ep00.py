"""Writer module ep00: the older form of ep01. Source: docs/reference/contracts/filewriter.md, "Writer modules"."""

from testbeam.services.filewriter.modules import ep01


class Module(ep01.Module):
    """As ep01, whose datasets it shares: only one of the two can be in a group."""

    schema = b"ep00"
