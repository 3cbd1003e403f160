"""Service in a container, from `container = "image"` or a table."""

from pathlib import Path
from typing import Any

from testbeam.kit.containers import engine
from testbeam.kit.containers.container import in_container
from testbeam.kit.containers.engine_commands import Container
from testbeam.kit.spec import Service
from testbeam.stacks.toml.fitting import fit, kind, made
from testbeam.stacks.toml.key import Key, Wrong, at


def container_service(name: str, value: Any, fields: dict[str, Any], key: Key, here: Path) -> Service:
    """Return a service in a container: `command` is what follows the image, `env` is set within, and all ports are published.

    Raises:
        Wrong: the value is neither an image nor a table of a container, or no engine answers.
    """
    where = (*key, "container")
    if isinstance(value, str):
        value = {"image": value}
    if not isinstance(value, dict):
        raise Wrong(where, f"{value!r} is {kind(value)}; give the name of an image, or a table with image")
    if fields.get("external"):
        raise Wrong((*key, "external"), "a container is started by the stack; leave out one of the two")
    with at(where):
        named = fit(value["engine"], str, (*where, "engine"), here) if "engine" in value else engine.find()
        given = {"env": {}, **value, "engine": named}
        container: Container = made(Container, {**given, "env": {**given["env"], **fields.pop("env", {})}}, where, here)
    arguments = fields.pop("command", ())
    with at(key):
        return in_container(name, container, arguments=arguments, has_image=engine.has_image(named, container.image), **fields)
