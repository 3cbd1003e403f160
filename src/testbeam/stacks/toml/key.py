"""Key of a testbeam.toml, as an error names it."""

from collections.abc import Iterator
from contextlib import contextmanager

from testbeam.errors import StackError, TestbeamError

Key = tuple[str, ...]


class Wrong(StackError):
    """What is written at a key can't be used."""

    def __init__(self, key: Key, cause: str) -> None:
        super().__init__(f"{dotted(key)}: {cause}" if key else cause)
        self.key = key
        self.cause = cause


@contextmanager
def at(key: Key) -> Iterator[None]:
    """Name the key in any error of ours from the block that does not name one yet."""
    try:
        yield
    except Wrong:
        raise
    except TestbeamError as error:
        raise Wrong(key, str(error)) from error


def dotted(key: Key) -> str:
    """Return a key as TOML writes it: `services.broker.topics[2]`, quoted where it has to be."""
    text = ""
    for part in key:
        if part.startswith("["):
            text += part
        else:
            plain = part.replace("-", "").replace("_", "").isalnum() and part.isascii()
            text += ("." if text else "") + (part if plain else f'"{part}"')
    return text


def item(key: Key, index: int) -> Key:
    """Return the key of one entry of a list, counted from 0."""
    return (*key, f"[{index}]")
