"""Templates: `${name}` in a command line, variable, file or endpoint becomes a value.

`$$` is a dollar; `$(P)` and any other lone dollar stay as they are, because EPICS databases are full of them.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from testbeam.errors import StackError

_TOKEN = re.compile(r"\$(?:\$|\{([^{}\n]*)\})")


def names(text: str) -> tuple[str, ...]:
    """Return every name that a template asks for, in order."""
    return tuple(name for name in _TOKEN.findall(text) if name)


def fill(text: str, values: Mapping[str, str], where: str) -> str:
    """Return the text with every `${name}` replaced.

    Raises:
        StackError: a name is unknown; `where` says in which service and field.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        if match[1] not in values:
            raise unknown(match[1], values, where)
        return values[match[1]]

    return _TOKEN.sub(value, text)


def check(text: str, known: Iterable[str], where: str) -> None:
    """Raise StackError for the first name that is not known, before anything is started."""
    known = tuple(known)
    for name in _TOKEN.findall(text):
        if name and name not in known:
            raise unknown(name, known, where)


def unknown(name: str, known: Iterable[str], where: str) -> StackError:
    """Return the error for a name that has no value, with those that come near it."""
    return StackError(f"{where}: ${{{name}}} is not known; {near(name, known)} ($${{…}} keeps it as text)")


def meant(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` where something comes near a name, else nothing."""
    hint = near(name, known, "".format)
    return f"; {hint}" if hint else ""


def near(name: str, known: Iterable[str], none: Callable[[str], str] = "known: {}".format) -> str:
    """Return "did you mean …?" where something comes near, else the whole list."""
    import difflib  # late: only an error pays for it

    known = sorted(known)
    matches = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {', '.join(matches)}?" if matches else none(", ".join(known) or "nothing")
