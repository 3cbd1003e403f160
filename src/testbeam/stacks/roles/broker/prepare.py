"""Preparation of a broker's first start: jars fetched and checked, start-up cache trained; a program, and a function for `broker fetch`."""

import sys

from testbeam.errors import SettingsError, TestbeamError
from testbeam.kafka_distribution import prepare as distribution
from testbeam.kafka_distribution.aot import AotCache
from testbeam.kafka_distribution.installation import Installation
from testbeam.kafka_distribution.options import LaunchOptions, from_plain_arguments
from testbeam.kafka_distribution.prepare import Prepared, Teller
from testbeam.kafka_distribution.telling import ConsoleTeller
from testbeam.runtime import exit_codes
from testbeam.stacks.roles.broker import training

MODULE = "testbeam.stacks.roles.broker.prepare"
_USUAL_S = 9


def prepare(options: LaunchOptions, teller: Teller, *, verify: bool = False, retry: bool = False) -> Prepared:
    """Put everything in place that a start uses; `verify` checks it all whatever its marks say, `retry` trains again what failed before.

    Raises:
        FetchError: a jar can't be had; the message has the ways out.
        SettingsError: KAFKA_HOME or Java is not what it should be.
    """

    def settle(found: Installation, start_up: AotCache) -> None:
        _settle(found, start_up, options, teller, verify=verify, retry=retry)

    return distribution.prepare(options, teller, verify=verify, settle=settle)


def _settle(found: Installation, start_up: AotCache, options: LaunchOptions, teller: Teller, *, verify: bool, retry: bool) -> None:
    """Have the start-up cache trained, or the reason kept why it could not be: the broker starts all the same."""
    if verify and start_up.is_there and (trouble := training.trouble(found, start_up)):
        teller.say(f"the start-up cache can't be used any more ({trouble})")
        start_up.forget()
    if start_up.is_there or (start_up.failure and not retry):
        return
    try:
        with teller.busy(f"training Java's start-up cache, once, about {_USUAL_S} s on a quick machine"):
            training.train(found, start_up, options)
    except (TestbeamError, OSError) as error:
        start_up.fail(f"training failed: {error}")
        teller.say(f"no start-up cache: {error}; the broker starts all the same, in 1.5 s instead of 0.6 s")


def main(argv: list[str]) -> int:
    """Prepare a start with these options; return the exit code."""
    try:
        options = from_plain_arguments(argv)
        if options is None:
            raise SettingsError("arguments", " ".join(argv), "--name value of the broker's own options")
        prepare(options, ConsoleTeller())
    except TestbeamError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return exit_codes.USAGE if isinstance(error, SettingsError) else exit_codes.FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
