"""When a service that nothing can be asked of has come through its first moments."""

import pytest

from testbeam.kit.probes.process import Seen, has_begun


@pytest.mark.parametrize(
    ("tree", "begun"),
    [
        ((Seen("S", 0.01),), True),
        ((Seen("T", 0.0),), True),  # held for a debugger
        ((Seen("R", 0.05),), False),  # a busy machine has not let it run
        ((Seen("D", 0.05),), False),  # its program is still read from the disk
        ((Seen("R", 0.3),), True),  # it never waits
        ((Seen("S", 0.0), Seen("R", 0.1)), False),  # a shell that waits for its program
        ((Seen("S", 0.0), Seen("R", 0.3)), True),
        ((Seen("SR", 0.1),), False),  # Java's first thread waits for the one that is called main
        ((Seen("Z", 0.3),), False),  # ended, and not reaped yet
        ((Seen("", 0.0),), False),  # reaped, and its end not told yet
        ((Seen("ZS", 0.1),), True),  # its first thread has ended, another serves
        ((Seen("S", 0.0), Seen("Z", 0.0)), True),
    ],
)
def test_it_has_begun_when_it_waits_or_has_computed(tree: tuple[Seen, ...], begun: bool) -> None:
    assert has_begun(tree) is begun
