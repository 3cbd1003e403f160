"""Texts on which a program and whoever starts it agree: a variable of its environment, lines of its log."""

from typing import Final

CLOCK_FILE: Final = "TESTBEAM_CLOCK_FILE"
"""Names the file of eight bytes that says by how many ns the program's clock is ahead: signed, in the machine's order."""
PULSES_BEGIN: Final = "Kafka has the topics, pulses begin"
"""Logged by event source and fakes when they are ready."""
LIVEDATA_READY: Final = "ready: commands and data are read from now on"
"""Logged by a live-data worker when it is ready."""
