"""What a nexus_structure asks for: its JSON as frozen nodes, with the place of whatever is wrong in it.

Source: docs/reference/contracts/filewriter.md, "NeXus structure JSON".
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import NexusError
from testbeam.nexus.values import dtype_of, to_array

_DEEPEST = 100  # far beyond any instrument; keeps a hostile message from exhausting the stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A name and its value; text is an object array."""

    name: str
    value: NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A static dataset; `place` is its place in the JSON."""

    name: str
    value: NDArray[Any]
    attributes: tuple[Attribute, ...]
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A hard link named `name` to `source`, a path relative to the link's group (`../` allowed) or absolute."""

    name: str
    source: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A writer module, by name, for the messages of `source` on `topic`; its group gets `attributes`."""

    module: str
    topic: str
    source: str
    config: Mapping[str, Any]
    attributes: tuple[Attribute, ...]
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group; the root's name is empty and its path "/"."""

    name: str
    path: str
    children: tuple["Node", ...]
    attributes: tuple[Attribute, ...]
    place: str

    def groups(self) -> Iterator["Group"]:
        """Yield this group and all below it, parents first."""
        yield self
        for child in self.children:
            if isinstance(child, Group):
                yield from child.groups()

    def streams(self) -> Iterator[tuple[str, Stream]]:
        """Yield every stream below, with the path of its group."""
        for group in self.groups():
            yield from ((group.path, child) for child in group.children if isinstance(child, Stream))


Node: TypeAlias = Group | Dataset | Link | Stream


def parse(text: str) -> Group:
    """Return the root group of a nexus_structure.

    Raises:
        NexusError: it is not JSON, or not of the grammar; the error's path is the place in the JSON, "$" the root.
    """
    try:
        root = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NexusError("$", f"Could not parse NeXus structure JSON: {error}") from error
    if not isinstance(root, dict):
        raise NexusError("$", f"the root of a NeXus structure JSON is an object, not {_kind(root)}")
    return _group(root, name="", path="/", place="$", depth=0)


def _group(node: Mapping[str, Any], *, name: str, path: str, place: str, depth: int) -> Group:
    if depth > _DEEPEST:
        raise NexusError(place, f"groups are nested more than {_DEEPEST} deep")
    children = _list(node, "children", place)
    parsed = tuple(_node(child, path, f"{place}.children[{i}]", depth + 1) for i, child in enumerate(children))
    _check_names(parsed)
    return Group(name=name, path=path, children=parsed, attributes=_attributes(node, place), place=place)


def _node(node: Any, parent: str, place: str, depth: int) -> Node:
    if not isinstance(node, dict):
        raise NexusError(place, f"a child is an object, not {_kind(node)}")
    if node.get("type") == "group":
        name = _name(node, place)
        return _group(node, name=name, path=f"{parent.rstrip('/')}/{name}", place=place, depth=depth)
    module = node.get("module")
    if not isinstance(module, str) or not module:
        raise NexusError(place, "a child has `type: group` or a `module` with its `config`")
    config = node.get("config")
    if not isinstance(config, dict):
        raise NexusError(f"{place}.config", f"module {module} needs a config object, not {_kind(config)}")
    attributes = _attributes(node, place)
    if module == "dataset":
        return Dataset(name=_name(config, f"{place}.config"), value=_value(config, f"{place}.config"), attributes=attributes, place=place)
    if module == "link":
        return Link(name=_name(config, f"{place}.config"), source=_text(config, "source", f"{place}.config"), place=place)
    return _stream(module, config, attributes, place)


def _stream(module: str, config: dict[str, Any], attributes: tuple[Attribute, ...], place: str) -> Stream:
    where = f"{place}.config"
    return Stream(
        module=module,
        topic=_text(config, "topic", where),
        source=_text(config, "source", where),
        config=MappingProxyType(config),
        attributes=attributes,
        place=place,
    )


def _attributes(node: Mapping[str, Any], place: str) -> tuple[Attribute, ...]:
    given = node.get("attributes")
    where = f"{place}.attributes"
    if given is None:
        return ()
    if isinstance(given, dict):
        return tuple(Attribute(name=_checked(name, where), value=to_array(value, None, f"{where}.{name}")) for name, value in given.items())
    if isinstance(given, list):
        return tuple(_attribute(item, f"{where}[{i}]") for i, item in enumerate(given))
    raise NexusError(where, f"attributes are an object or a list, not {_kind(given)}")


def _attribute(item: Any, place: str) -> Attribute:
    if not isinstance(item, dict):
        raise NexusError(place, f"an attribute of a list is an object with name and values, not {_kind(item)}")
    word = item.get("dtype", item.get("type"))
    dtype = None if word is None else dtype_of(word, place)
    return Attribute(name=_name(item, place), value=to_array(_given(item, place), dtype, place))


def _value(config: Mapping[str, Any], place: str) -> NDArray[Any]:
    word = config.get("dtype", config.get("type"))
    value = _given(config, place)
    if word is not None:
        return to_array(value, dtype_of(word, place), place)
    inferred = to_array(value, None, place)
    return inferred if inferred.dtype == object else to_array(value, np.dtype(np.float64), place)


def _given(node: Mapping[str, Any], place: str) -> Any:
    for key in ("values", "value"):
        if key in node:
            return node[key]
    raise NexusError(place, "there is neither `values` nor `value`")


def _name(node: Mapping[str, Any], place: str) -> str:
    return _checked(_text(node, "name", place), place)


def _checked(name: str, place: str) -> str:
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise NexusError(place, f"{name!r} can't be a name in a file")
    return name


def _text(node: Mapping[str, Any], key: str, place: str) -> str:
    value = node.get(key)
    if not isinstance(value, str) or not value:
        raise NexusError(place, f"needs `{key}`, a text that is not empty")
    return value


def _list(node: Mapping[str, Any], key: str, place: str) -> Sequence[Any]:
    value = node.get(key, [])
    if not isinstance(value, list):
        raise NexusError(f"{place}.{key}", f"is a list, not {_kind(value)}")
    return value


def _check_names(children: Sequence[Node]) -> None:
    seen: set[str] = set()
    for child in children:
        if isinstance(child, Stream):
            continue
        if child.name in seen:
            raise NexusError(child.place, f"{child.name!r} is there twice in its group")
        seen.add(child.name)


def _kind(value: Any) -> str:
    return "null" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
