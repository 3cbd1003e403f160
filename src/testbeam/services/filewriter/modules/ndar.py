"""Writer module NDAr: the form of ad00 before ADAr. Source: docs/reference/contracts/filewriter.md, "Writer modules"."""

from testbeam.services.filewriter.modules import ad00


class Module(ad00.Module):
    """As ad00; the messages name no source, so that `source` is always ADPluginKafka."""

    schema = b"NDAr"
