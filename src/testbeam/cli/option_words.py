"""Parameters of libraries as options of a command: libraries raise with the names of their parameters, and know of no command line."""

import re
from collections.abc import Mapping

_IN_TEXT = re.compile(r"`(\w+(?:=\w+)?)`")


def in_options(message: str, options: Mapping[str, str]) -> str:
    """Return a message with the parameters in it as the options of a command: the one that it begins with, and those in backticks."""
    name, colon, rest = message.partition(":")
    if colon and name in options:
        message = f"{options[name]}:{rest}"
    return _IN_TEXT.sub(lambda match: options.get(match[1], match[0]), message)
