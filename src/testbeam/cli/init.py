"""`testbeam init`: writes what a project needs to use testbeam, to be kept and changed there."""

import json
import shlex
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from testbeam.cli.apps import new_app
from testbeam.errors import SettingsError

app = new_app(has_commands=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forge:
    """Where a project lives: its template, and the file that its CI reads."""

    option: str
    template: str
    target: str
    given_source: str
    asked_source: str


SOURCE = "TESTBEAM_SOURCE"
GITHUB = Forge(
    option="--github",
    template="github.yml",
    target=".github/workflows/testbeam.yml",
    given_source="{}",
    asked_source="${{ vars.TESTBEAM_SOURCE }}",
)
GITLAB = Forge(
    option="--gitlab",
    template="gitlab.yml",
    target=".gitlab-ci.yml",
    given_source=f"{SOURCE}: {{}}",
    asked_source=f"# {SOURCE}: a git address such as git+https://host/owner/testbeam@v1, until it is on PyPI",
)
FIRST_STACK = {"testbeam.toml": "first_stack.toml", "clock_server.py": "clock_server.py.txt", "test_clock.py": "test_clock.py.txt"}


@app.callback()
def _init() -> None:
    """Write what a project needs to use testbeam."""


@app.command()
def ci(
    github: Annotated[bool, typer.Option("--github", help=f"Write {GITHUB.target}.")] = False,
    gitlab: Annotated[bool, typer.Option("--gitlab", help=f"Write {GITLAB.target}.")] = False,
    folder: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
    output: Annotated[Path | None, typer.Option(help="Write to this file instead, to be included by one that is there.")] = None,
    source: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where testbeam is installed from, such as git+https://….", show_default=False)
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a CI job that tests with a stack, Kafka's jars cached; for GitHub unless the project shows that it lives on GitLab."""
    if github and gitlab:
        raise SettingsError("--github --gitlab", "both", "one of them at a time")
    if not folder.is_dir():
        raise SettingsError("--folder", str(folder), "a folder that exists")
    forge = GITHUB if github else GITLAB if gitlab else guess(folder)
    target = folder / (output or forge.target)
    if target.exists() and not force:
        raise SettingsError("--output", str(target), "--force to overwrite what is there, or another FILE, to be included from it")
    source = source or installed_from()
    _write(target, text(forge, source), "--output" if output else "--folder")
    print(f"{target} is written: a job that fetches Kafka once, then runs pytest; commit it")
    if not source:
        print(
            f"say there where testbeam is installed from: set {SOURCE} as a variable of the project, such as git+https://host/owner/testbeam"
        )


@app.command()
def stack(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The project's folder; made where it is not there.", show_default=False)
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
) -> None:
    """Write a testbeam.toml with a service of your own in it, that service, and a first test that passes."""
    targets = {folder / name: template for name, template in FIRST_STACK.items()}
    there = [str(target) for target in targets if target.exists()]
    if there and not force:
        raise SettingsError("FOLDER", ", ".join(there), "--force to overwrite what is there, or another folder")
    for target, template in targets.items():
        _write(target, _template(template), "FOLDER")
        print(f"{target} is written")
    inside = "" if folder.samefile(Path()) else f"cd {shlex.quote(str(folder))}   ·  "
    print(f"try it:  {inside}pytest   ·  testbeam up   ·  then put your own service into testbeam.toml")


@app.command()
def ioc(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The IOC's folder; made where it is not there.", show_default=False)],
    name: Annotated[str, typer.Option(help="The name of the IOC's app.")] = "example",
    prefix: Annotated[str, typer.Option(help="What the names of its PVs begin with.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
) -> None:
    """Write an IOC that talks to a simulated power supply: st.cmd, database, protocol, and a check that passes as it is."""
    from testbeam.cli import init_ioc

    for path in init_ioc.write(folder, name, prefix, force=force):
        print(f"{path} is written")
    print(f"try it:  testbeam test {folder}/checks   ·  testbeam ioc lint {folder}   ·  testbeam shell {folder}/checks/simple.py")


def _write(target: Path, content: str, option: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    except OSError as error:
        raise SettingsError(option, str(target), f"a folder that can be written ({error.strerror})") from None


def installed_from() -> str:
    """Return the git address that testbeam was installed from; "" where it came another way (PEP 610)."""
    try:
        written = json.loads(distribution("testbeam").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return ""
    commit = written.get("vcs_info", {}).get("commit_id", "")
    return f"git+{written['url']}@{commit}" if commit and written.get("url") else ""


def guess(folder: Path) -> Forge:
    """Return where a project lives, by its CI file or its remote."""
    config = folder / ".git" / "config"
    remote = config.read_text(errors="replace").lower() if config.is_file() else ""
    return GITLAB if (folder / GITLAB.target).exists() or "gitlab" in remote else GITHUB


def text(forge: Forge, source: str = "") -> str:
    """Return the job as it is written; without a source it takes that from a variable of the project."""
    from testbeam.kafka_distribution.jars import KAFKA_VERSION

    given = forge.given_source.format(source) if source else forge.asked_source
    return _template(forge.template).replace("@KAFKA_VERSION@", KAFKA_VERSION).replace("@TESTBEAM_SOURCE@", given)


def _template(name: str) -> str:
    return (files("testbeam.cli") / "templates" / name).read_text(encoding="utf-8")
