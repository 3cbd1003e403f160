"""`testbeam filewriter make|template`: NeXus files without Kafka."""

from pathlib import Path
from typing import Annotated

import typer

from testbeam.cli.apps import new_app

app = new_app(has_commands=True)

StructureOption = Annotated[Path, typer.Option("-f", "--file", metavar="FILE.json", help="NeXus structure.")]
InstrumentOption = Annotated[str, typer.Option("-i", "--instrument", metavar="NAME", help="Instrument of the template.")]


@app.callback()
def _filewriter() -> None:
    """Make NeXus files from JSON, without Kafka."""


@app.command()
def make(
    file: StructureOption,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.nxs", help="File to write.")],
    data: Annotated[Path | None, typer.Option("-d", "--data", metavar="DATA.json", help="Messages.")] = None,
    instrument: InstrumentOption = "",
    templates: Annotated[Path, typer.Option("--hdf-template-prefix", metavar="FOLDER", help="Folder of the templates.")] = Path(),
) -> None:
    """Write a file of the window 10 s to 15 s of 1970 from a structure and messages in JSON."""
    from testbeam.services.filewriter.file_maker import in_words, make_file

    print(in_words(output, make_file(file, output, data, instrument, templates)))


@app.command()
def template(
    file: StructureOption,
    instrument: InstrumentOption,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="OUT.hdf", help="Default: NAME/NAME.hdf.")] = None,
) -> None:
    """Write the template of an instrument: its structure without the streams."""
    from testbeam.services.filewriter.file_maker import make_template

    print(make_template(file, instrument, output))
