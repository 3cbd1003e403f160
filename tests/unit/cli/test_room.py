import io
from pathlib import Path

import pytest
from rich.console import Console

from testbeam.console.room import USUAL_BYTES, warn_of_little_room


@pytest.mark.parametrize(
    ("free", "folder", "told"), [(USUAL_BYTES - 1, Path("/here"), "another folder"), (0, None, "TMPDIR"), (USUAL_BYTES, None, "")]
)
def test_little_room_is_told_before_anything_starts(free: int, folder: Path | None, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbeam.kit.host.free_bytes", lambda _: free)
    shown = io.StringIO()

    warn_of_little_room(folder, Console(file=shown, width=200))

    assert (told in shown.getvalue()) if told else shown.getvalue() == ""
