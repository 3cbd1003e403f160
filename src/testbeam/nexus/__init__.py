"""NeXus: a nexus_structure written by functions, its grammar, and what a written file holds. Lazy, as `testbeam` is."""

from testbeam._lazy import attach

TYPE_CHECKING = False  # as typing's, which would be 8 ms of every start
if TYPE_CHECKING:
    from testbeam.nexus.compose import dataset as dataset
    from testbeam.nexus.compose import group as group
    from testbeam.nexus.compose import link as link
    from testbeam.nexus.compose import log as log
    from testbeam.nexus.compose import nexus_structure as nexus_structure
    from testbeam.nexus.compose import stream as stream
    from testbeam.nexus.files import opened as opened
    from testbeam.nexus.files import streams as streams
    from testbeam.nexus.files import walk as walk
    from testbeam.nexus.structure import Attribute as Attribute
    from testbeam.nexus.structure import Dataset as Dataset
    from testbeam.nexus.structure import Group as Group
    from testbeam.nexus.structure import Link as Link
    from testbeam.nexus.structure import Stream as Stream
    from testbeam.nexus.structure import parse as parse

_NAMES = {
    "testbeam.nexus.compose": (
        "dataset",
        "group",
        "link",
        "log",
        "stream",
        "nexus_structure",
    ),
    "testbeam.nexus.structure": (
        "Attribute",
        "Dataset",
        "Group",
        "Link",
        "Stream",
        "parse",
    ),
    "testbeam.nexus.files": (
        "opened",
        "streams",
        "walk",
    ),
}

__getattr__, __dir__, __all__ = attach(__name__, _NAMES)
