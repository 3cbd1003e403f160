"""Options of a Kafka client (librdkafka's names) from a file: one key=value a line, # begins a comment."""

from functools import cache
from pathlib import Path

from testbeam.errors import SettingsError


def options_of_file(file: Path) -> dict[str, str]:
    """Return what a file says.

    Raises:
        SettingsError: it can't be read, or a line is not KEY=VALUE; a value is never repeated in the error, it may be a password.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("Kafka options", str(file), f"a text file that can be read ({error})") from None
    options = {}
    for number, line in enumerate(lines, 1):
        key, equals, value = line.partition("=")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not equals or not key.strip():
            raise SettingsError("Kafka options", f"{file}:{number}", "KEY=VALUE in each line, such as security.protocol=SASL_SSL")
        options[key.strip()] = value.strip()
    return options


@cache
def of_environment(path: str) -> dict[str, str]:
    """Return the options of the file that a variable names; none where it is not there: its broker asks for nothing."""
    return options_of_file(Path(path)) if path and Path(path).is_file() else {}
