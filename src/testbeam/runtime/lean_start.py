"""Lazy imports: programs start without what their libraries import and they never use."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


def load_kafka_client() -> None:
    """Import confluent_kafka without asyncio, which takes half of its time and is for clients of a kind that we have none of."""
    with postponed("asyncio"):
        importlib.import_module("confluent_kafka")


@contextmanager
def postponed(name: str) -> Iterator[None]:
    """Keep a module from being loaded by what is imported within the block, unless it is there already.

    Who imports it there gets a stand-in, which loads the module once something of it is asked for.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = stand_in = _stand_in(name)
    try:
        yield
    finally:
        _take_away(stand_in)


def _stand_in(name: str) -> ModuleType:
    def ask(attribute: str) -> Any:
        _take_away(stand_in)
        return getattr(importlib.import_module(name), attribute)

    stand_in = ModuleType(name)
    stand_in.__dict__["__getattr__"] = ask
    return stand_in


def _take_away(stand_in: ModuleType) -> None:
    if sys.modules.get(stand_in.__name__) is stand_in:
        del sys.modules[stand_in.__name__]
