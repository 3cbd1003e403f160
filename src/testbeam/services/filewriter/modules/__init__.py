"""The writer modules, one file each, found by the name that the NeXus JSON uses."""

import importlib
import re
from typing import Any

from testbeam.errors import NexusError
from testbeam.services.filewriter.modules.base import WriterModule
from testbeam.services.filewriter.modules.config import Config

NAMES = (
    *("ADAr", "NDAr", "ad00", "al00", "da00", "ep00", "ep01", "ev42", "ev44", "f142", "f144", "hs00", "hs01"),
    *("mdat", "ns10", "se00", "senv", "tdct"),
)


def find(name: str, config: Config) -> type[WriterModule[Any]]:
    """Return the class of a writer module for this config.

    Raises:
        NexusError: there is none of that name.
    """
    if name not in NAMES or not re.fullmatch(r"\w+", name):
        raise NexusError(config.place, f"unknown module {name!r}; known are dataset, link, {', '.join(NAMES)}")
    module: type[WriterModule[Any]] = importlib.import_module(f"{__name__}.{name.lower()}").Module
    return module.variant(config)
