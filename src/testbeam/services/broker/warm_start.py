"""The start that has nothing to prepare: from plain arguments to the broker in a few ms of Python.

Anything out of the ordinary, from `--help` to a missing jar, is left to the full program.
"""

import os

from testbeam.errors import SettingsError
from testbeam.services.broker import aot, installation
from testbeam.services.broker.cache import user_cache
from testbeam.services.broker.launch import become_broker
from testbeam.services.broker.options import from_plain_arguments


def try_start(argv: list[str]) -> None:
    """Become the broker if everything is in place; else return."""
    if any(name.startswith("TESTBEAM_BROKER_") for name in os.environ):
        return
    options = from_plain_arguments(argv)
    if options is None:
        return
    cache = user_cache(options.cache_folder)
    try:
        found = installation.find(options, cache)
        start_up = aot.of(found, cache)
        if found.missing or (start_up is not None and not start_up.is_settled):
            return
        if start_up is not None:
            start_up.touch()
        become_broker(options, found, start_up)
    except (SettingsError, OSError):
        return  # the full program meets it again, and says it in its own words
