"""The start that has nothing to prepare: from plain arguments to the broker in a few ms of Python.

Anything out of the ordinary, from `--help` to a missing jar, is left to the full program.
"""

import os

from testbeam.errors import SettingsError
from testbeam.services.broker import aot, installation
from testbeam.services.broker.aot import AotCache
from testbeam.services.broker.cache import user_cache
from testbeam.services.broker.installation import Installation
from testbeam.services.broker.launch import become_broker
from testbeam.services.broker.options import LaunchOptions, from_plain_arguments


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


def everything_in_place(options: LaunchOptions) -> tuple[Installation, AotCache | None] | None:
    """Return what a start with these options uses; None if something has to be fetched, checked or trained before.

    Raises:
        SettingsError: KAFKA_HOME or Java is not what it should be.
    """
    cache = user_cache(options.cache_folder)
    found = installation.find(options, cache)
    if found.missing:
        return None
    start_up = aot.of(found, cache)
    return None if start_up is not None and not start_up.is_settled else (found, start_up)
