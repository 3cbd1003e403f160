"""Scaffold of `testbeam init ioc`: an IOC that talks to a simulated power supply, with its check."""

import re
from importlib.resources import files
from pathlib import Path

from testbeam.errors import SettingsError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_FILES = {
    "iocBoot/ioc{title}/st.cmd": "st.cmd",
    "{name}App/Db/{name}.db": "example.db",
    "{name}App/Db/{name}.proto": "example.proto",
    "checks/simple.toml": "simple.toml",
    "checks/simple.py": "simple.py.txt",
}


def write(folder: Path, name: str, prefix: str, *, force: bool) -> list[Path]:
    """Write the files; return their paths.

    Raises:
        SettingsError: the name can't be one of an IOC, or a file is there already.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError("--name", name, "letters, digits and '_', beginning with a letter")
    title = name[0].upper() + name[1:]
    targets = {folder / path.format(name=name, title=title): template for path, template in _FILES.items()}
    there = [str(path) for path in targets if path.exists()]
    if there and not force:
        raise SettingsError("FOLDER", ", ".join(there), "--force to overwrite what is there, or another folder")
    for path, template in targets.items():
        text = (files("testbeam.cli") / "templates" / "ioc" / template).read_text(encoding="utf-8")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("@NAME@", name).replace("@TITLE@", title).replace("@PREFIX@", prefix), encoding="utf-8")
    return list(targets)
