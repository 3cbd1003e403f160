"""Real configuration files against the forwarder's options: `python -m tests.real_forwarder_configs FOLDER`, by hand.

Each ini file is read as `-c FILE` reads it, each JSON file as `--streams-json` or a command; it is taken, or refused by the name of what
is not understood. Nothing is connected to.
"""

import contextlib
import io
import sys
from collections import Counter
from pathlib import Path

from testbeam.errors import SettingsError, WireError
from testbeam.runtime.settings import parse
from testbeam.services.forwarder.addresses import kafka_addresses
from testbeam.services.forwarder.settings import PROG, ForwarderSettings
from testbeam.wire.forwarder_json import decode_command, decode_streams


def main(folder: Path) -> int:
    """Print what became of each file; 1 where one is refused without a name."""
    outcomes: Counter[str] = Counter()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix in (".ini", ".json"):
            outcome, why = ini(file) if file.suffix == ".ini" else streams(file)
            outcomes[outcome] += 1
            print(f"{outcome:8} {file.name}{': ' if why else ''}{why}")
    print(dict(outcomes))
    return 1 if outcomes["crashed"] else 0


def ini(file: Path) -> tuple[str, str]:
    """Return how the options take an ini file."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            kafka_addresses(parse(ForwarderSettings, PROG, ["-c", str(file)]))
    except SystemExit:
        return "refused", said.getvalue().strip().splitlines()[-1]
    except SettingsError as error:
        return "refused", str(error)
    except Exception as error:
        return "crashed", repr(error)
    return "taken", ""


def streams(file: Path) -> tuple[str, str]:
    """Return how a file of streams, or a command, is taken."""
    payload = file.read_bytes()
    try:
        return "taken", f"{len(decode_streams(payload))} streams"
    except WireError as first:
        with contextlib.suppress(WireError):
            decode_command(payload)
            return "taken", "a command"
        return "refused", str(first)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
