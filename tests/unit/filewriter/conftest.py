from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbeam.nexus import compose
from tests.unit.filewriter.writing import Writing


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Callable[..., Writing]]:
    """Return how to begin a job of these nodes; its file is closed at the end whatever happened."""
    begun: list[Writing] = []

    def begin(*nodes: compose.Node, **changes: int) -> Writing:
        begun.append(Writing(tmp_path, nodes, **changes))  # type: ignore[arg-type]
        return begun[-1]

    yield begin
    for writing in begun:
        writing.file.close()
