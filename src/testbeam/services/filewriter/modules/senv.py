"""Writer module senv: the older form of se00. Source: docs/reference/contracts/filewriter.md, "Writer modules"."""

from testbeam.services.filewriter.modules import se00


class Module(se00.Module):
    """As se00; its messages hold integers only."""

    schema = b"senv"
