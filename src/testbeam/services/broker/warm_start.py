"""The start that has nothing to prepare: from plain arguments to the broker in a few ms of Python.

Anything out of the ordinary, from `--help` to a missing jar, is left to the full program.
"""

import os

from testbeam.errors import SettingsError
from testbeam.kafka_distribution.in_place import everything_in_place
from testbeam.kafka_distribution.launch import become_broker
from testbeam.kafka_distribution.options import from_plain_arguments


def try_start(argv: list[str]) -> None:
    """Become the broker if everything is in place; else return."""
    if any(name.startswith("TESTBEAM_BROKER_") for name in os.environ):
        return
    options = from_plain_arguments(argv)
    if options is None:
        return
    try:
        in_place = everything_in_place(options)
        if in_place is None:
            return
        found, start_up = in_place
        if start_up is not None:
            start_up.touch()
        become_broker(options, found, start_up)
    except (SettingsError, OSError):
        return  # the full program meets it again, and says it in its own words
