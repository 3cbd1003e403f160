"""The variables of a running stack, and the forms in which `testbeam env` prints them."""

import json
import shlex
from collections.abc import Callable, Mapping

from testbeam.hosting.facts import ask_services
from testbeam.hosting.registry import Entry
from testbeam.stacks.client_variables import StackFacts, client_variables


def variables_of(entry: Entry) -> dict[str, str]:
    """Return the variables by which programs find a running stack.

    Raises:
        StackError: who holds it does not answer, or a template of its env_names can't be filled.
    """
    services = ask_services(entry)
    facts = StackFacts(
        id=entry.id,
        folder=entry.folder,
        endpoints=entry.endpoints,
        pids={one.name: one.pid for one in services if one.pid is not None},
        output=next((one.output for one in services if one.output), ""),
        env_names=entry.env_names,
    )
    return client_variables(facts)


def for_shell(variables: Mapping[str, str]) -> str:
    """Return lines that a POSIX shell evaluates."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def for_dotenv(variables: Mapping[str, str]) -> str:
    """Return lines of a .env file, values in double quotes."""
    return "\n".join(f'{name}="{_escaped(value)}"' for name, value in variables.items())


def for_github(variables: Mapping[str, str]) -> str:
    """Return lines for the file that GitHub's variable GITHUB_ENV names: a value is the rest of its line."""
    return "\n".join(f"{name}={value}" for name, value in variables.items())


def as_json(variables: Mapping[str, str]) -> str:
    """Return one JSON object."""
    return json.dumps(dict(variables), indent=2)


def _escaped(value: str) -> str:
    for character in ("\\", '"', "$", "`"):
        value = value.replace(character, f"\\{character}")
    return value


FORMS: Mapping[str, Callable[[Mapping[str, str]], str]] = {"sh": for_shell, "json": as_json, "dotenv": for_dotenv, "github": for_github}
