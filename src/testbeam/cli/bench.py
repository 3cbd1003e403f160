"""`testbeam bench [NAME]`: runs the benchmarks of a checkout and writes their ratios."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from testbeam.cli.apps import new_app
from testbeam.errors import SettingsError

app = new_app()


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="benchmarks to run; none means all")] = None,
    folder: Annotated[Path, typer.Option(help="the checkout's folder of benchmarks")] = Path("benchmarks"),
) -> None:
    """Run benchmarks; each states a ratio measured side by side in one run. Results go to benchmarks/results.json."""
    if not (folder / "__main__.py").is_file():
        raise SettingsError(
            "--folder", str(folder), "the benchmarks/ folder of a testbeam checkout (they are not in the installed package)"
        )
    done = subprocess.run([sys.executable, "-m", folder.name, *(names or [])], cwd=folder.resolve().parent, check=False)
    raise typer.Exit(done.returncode)
