"""Warning of little room where a run is about to have its folder, before anything is started."""

import tempfile
from pathlib import Path

from rich.console import Console

from testbeam.kit import host

USUAL_BYTES = 300_000_000  # a run of the reference stack takes about 100 MB, half of it Kafka's


def warn_of_little_room(folder: Path | None, console: Console) -> None:
    """Say that a run may not find the room that it usually takes; folder: where it goes, None for a temporary one."""
    where = folder or Path(tempfile.gettempdir())
    free = host.free_bytes(where)
    if free < USUAL_BYTES:
        way = "make room, or give another folder" if folder else "make room, or point TMPDIR to a larger disk"
        console.print(
            f"[yellow]note:[/] {host.size(free)} free in {where}; a run may take {host.size(USUAL_BYTES)}: {way}",
            highlight=False,
            soft_wrap=True,
        )
