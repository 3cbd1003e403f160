"""Examination of the packages of each extra: installed, and new enough."""

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version

from testbeam.doctor.finding import Finding, good, lacking

_NAME = re.compile(r"\s*([A-Za-z0-9._-]+)")
_LEAST = re.compile(r">=\s*([0-9.]+)")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([a-z]+)['"]""")


def look(extra: str) -> Finding:
    """Compare what is installed with what the extra ("" for the core) asks for."""
    return judge(extra, {name: (least, _installed(name)) for name, least in wanted(requires("testbeam") or (), extra).items()})


def wanted(requirements: Iterable[str], extra: str) -> dict[str, str]:
    """Return name and least version of each requirement of an extra; platform markers are for pip to judge."""
    found = {}
    for requirement in requirements:
        asked, _, marker = requirement.partition(";")
        of = _EXTRA.search(marker)
        name, least = _NAME.match(asked), _LEAST.search(asked)
        if name is not None and (of[1] if of else "") == extra and name[1] != "testbeam":
            found[name[1]] = least[1] if least else "0"
    return found


def judge(extra: str, packages: dict[str, tuple[str, str]]) -> Finding:
    """Say what is missing of packages by name: the least version, and the one that is installed ("" for none)."""
    absent = [name for name, (_, installed) in packages.items() if not installed]
    old = [f"{name} {installed} (< {least})" for name, (least, installed) in packages.items() if installed and _is_older(installed, least)]
    there = ", ".join(f"{name} {installed}" for name, (_, installed) in packages.items() if installed)
    if not absent and not old:
        return good(there)
    trouble = "; ".join(
        part for part in (f"missing {', '.join(absent)}" if absent else "", f"too old {', '.join(old)}" if old else "") if part
    )
    return lacking(trouble, f"pip install --upgrade 'testbeam{f'[{extra}]' if extra else ''}'")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _is_older(installed: str, least: str) -> bool:
    return _numbers(installed) < _numbers(least)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.match(r"[0-9.]*", text)[0].split(".") if part)  # type: ignore[index]  # it matches any text
