"""`testbeam init`: writes what a project needs to use testbeam, to be kept and changed there."""

from dataclasses import dataclass
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


GITHUB = Forge(option="--github", template="github.yml", target=".github/workflows/testbeam.yml")
GITLAB = Forge(option="--gitlab", template="gitlab.yml", target=".gitlab-ci.yml")


@app.callback()
def _init() -> None:
    """Write what a project needs to use testbeam."""


@app.command()
def ci(
    github: Annotated[bool, typer.Option("--github", help=f"Write {GITHUB.target}.")] = False,
    gitlab: Annotated[bool, typer.Option("--gitlab", help=f"Write {GITLAB.target}.")] = False,
    folder: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
    output: Annotated[Path | None, typer.Option(help="Write to this file instead, to be included by one that is there.")] = None,
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
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text(forge), encoding="utf-8")
    print(f"{target} is written: a job that fetches Kafka once, then runs pytest; commit it")


def guess(folder: Path) -> Forge:
    """Return where a project lives, by its CI file or its remote."""
    config = folder / ".git" / "config"
    remote = config.read_text(errors="replace").lower() if config.is_file() else ""
    return GITLAB if (folder / GITLAB.target).exists() or "gitlab" in remote else GITHUB


def text(forge: Forge) -> str:
    """Return the job as it is written."""
    from testbeam.kafka_distribution.jars import KAFKA_VERSION

    template = files("testbeam.cli") / "templates" / forge.template
    return template.read_text(encoding="utf-8").replace("@KAFKA_VERSION@", KAFKA_VERSION)
