"""Readiness of the distribution: nothing to fetch, to check or to train."""

from testbeam.kafka_distribution import aot, installation
from testbeam.kafka_distribution.aot import AotCache
from testbeam.kafka_distribution.cache import user_cache
from testbeam.kafka_distribution.installation import Installation
from testbeam.kafka_distribution.options import LaunchOptions


def everything_in_place(options: LaunchOptions) -> tuple[Installation, AotCache | None] | None:
    """Return what a start with these options uses; None if something has to be fetched, checked or trained before.

    Raises:
        SettingsError: KAFKA_HOME or Java is not what it should be.
    """
    cache = user_cache(options.cache_folder)
    found = installation.find(options, cache)
    if found.missing:
        return None
    if options.aot_output:
        return found, None
    start_up = aot.of(found, cache)
    return None if start_up is not None and not start_up.is_settled else (found, start_up)
