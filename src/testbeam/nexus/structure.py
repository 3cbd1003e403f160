"""Grammar of a nexus_structure: its JSON as frozen nodes, with the place of whatever is wrong in it.

Nodes of the older grammar (`type` dataset, stream or link instead of a module with its config) are taken as well.

Source: docs/reference/contracts/filewriter.md, "NeXus structure JSON".
"""

import difflib
import itertools
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import NexusError
from testbeam.nexus.values import STRING, dtype_of, to_array

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
    """A writer module, by name, for the messages of `source` on `topic`, both "" for mdat; its group gets `attributes`."""

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

WITHOUT_SOURCE = frozenset({"mdat"})
"""Modules that write no messages: their config names neither topic nor source."""
_CHILD = ("module", "config", "attributes")
_GROUP = ("type", "name", "children", "attributes")
_ATTRIBUTE = ("name", "value", "values", "type", "dtype")
_CONFIGS = {"dataset": ("name", "value", "values", "type", "dtype"), "link": ("name", "source")}
_MOST = 100  # warnings of words
_LARGEST = 2**27  # cells of all static arrays together


def parse(text: str, *, modules: Collection[str] | None = None, warnings: list[str] | None = None) -> Group:
    """Return the root group of a nexus_structure.

    modules: the stream modules there are; without, any name is one. warnings: gets a sentence for each word that the grammar does not
    know, and that is left out therefore.

    Raises:
        NexusError: it is not JSON, or not of the grammar; the error's path is the place in the JSON, "$" the root.
    """
    warnings = [] if warnings is None else warnings
    twice: dict[str, None] = {}
    try:
        root = json.loads(text, object_pairs_hook=partial(_once, twice))
    except (ValueError, RecursionError) as error:
        raise NexusError("$", f"Could not parse NeXus structure JSON: {error}") from error
    if not isinstance(root, dict):
        raise NexusError("$", f"the root of a NeXus structure JSON is an object, not {_kind(root)}")
    warnings += [f"{word[:100]!r} is there twice in one object of the JSON; the last one counts" for word in itertools.islice(twice, _MOST)]
    return _Parser(modules, warnings).group(root, name="", path="/", place="$", depth=0)


def _once(twice: dict[str, None], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of the JSON; words that it has twice are noted."""
    made = dict(pairs)
    if len(made) < len(pairs):
        seen = set[str]()
        for word, _value in pairs:
            if word in seen and len(twice) < _MOST:
                twice[word] = None
            seen.add(word)
    return made


def unknown_words(node: Mapping[str, Any], known: Collection[str], place: str) -> Iterator[str]:
    """Yield a sentence for each key of an object that is none of the known ones, up to a hundred, with the nearest of those."""
    for word in itertools.islice((word for word in node if word not in known), _MOST):
        near = difflib.get_close_matches(word[:_MOST], known, 1, 0.7)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        yield f"{place}: {word[:100]!r} is not known and left out; {hint}"


@dataclass(slots=True)
class _Parser:
    """One reading: what is warned of, and how many cells the arrays have so far."""

    modules: Collection[str] | None
    warnings: list[str]
    cells: int = 0

    def group(self, node: Mapping[str, Any], *, name: str, path: str, place: str, depth: int) -> Group:
        if depth > _DEEPEST:
            raise NexusError(place, f"groups are nested more than {_DEEPEST} deep")
        self.warn(node, _GROUP, place)
        children = _list(node, "children", place)
        parsed = tuple(self.node(child, path, f"{place}.children[{i}]", depth + 1) for i, child in enumerate(children))
        _check_names(parsed)
        return Group(name=name, path=path, children=parsed, attributes=self.attributes(node, place), place=place)

    def node(self, node: Any, parent: str, place: str, depth: int) -> Node:
        if not isinstance(node, dict):
            hint = "; a placeholder of a template has to be filled in first" if isinstance(node, str) and node.startswith("$") else ""
            raise NexusError(place, f"a child is an object, not {_kind(node)}{hint}")
        if node.get("type") == "group":
            name = _name(node, place)
            return self.group(node, name=name, path=f"{parent.rstrip('/')}/{name}", place=place, depth=depth)
        node = _in_newer_words(node, place)
        module = node.get("module")
        if not isinstance(module, str) or not module:
            raise NexusError(place, "a child has `type: group` or a `module` with its `config`")
        if self.modules is not None and module not in self.modules and module not in _CONFIGS:
            raise NexusError(place, f"unknown module {module[:100]!r}; known are dataset, link, {', '.join(sorted(self.modules))}")
        config = node.get("config")
        if not isinstance(config, dict):
            raise NexusError(f"{place}.config", f"module {module} needs a config object, not {_kind(config)}")
        self.warn(node, _CHILD, place)
        return self.child(module, config, self.attributes(node, place), place)

    def child(self, module: str, config: dict[str, Any], attributes: tuple[Attribute, ...], place: str) -> Node:
        where = f"{place}.config"
        if module in _CONFIGS:
            self.warn(config, _CONFIGS[module], where)
        if module == "dataset":
            return Dataset(name=_name(config, where), value=self.value(config, where), attributes=attributes, place=place)
        if module == "link":
            return Link(name=_name(config, where), source=_path(config, where), place=place)
        words = {"topic": "", "source": ""} if module in WITHOUT_SOURCE else {key: _text(config, key, where) for key in ("topic", "source")}
        return Stream(module=module, **words, config=MappingProxyType(config), attributes=attributes, place=place)

    def value(self, config: Mapping[str, Any], place: str) -> NDArray[Any]:
        word = config.get("dtype", config.get("type"))
        value = _given(config, place)
        array = to_array(value, None if word is None else dtype_of(word, place), place)
        if word is None and array.dtype != object:
            array = to_array(value, np.dtype(np.float64), place)
        self.cells += array.size
        if self.cells > _LARGEST:
            raise NexusError(place, f"with {array.size} values here the static datasets have more than {_LARGEST} together")
        return array

    def attributes(self, node: Mapping[str, Any], place: str) -> tuple[Attribute, ...]:
        given = node.get("attributes")
        where = f"{place}.attributes"
        if given is None:
            return ()
        if isinstance(given, dict):
            return tuple(
                Attribute(name=_checked(name, where), value=to_array(value, None, f"{where}.{name}")) for name, value in given.items()
            )
        if isinstance(given, list):
            found = tuple(self.attribute(item, f"{where}[{i}]") for i, item in enumerate(given))
            twice = sorted(name for name, n in Counter(attribute.name for attribute in found).items() if n > 1)
            self.warnings += [f"{where}: {name[:100]!r} is there twice; the first one counts" for name in twice[:_MOST]]
            return found
        raise NexusError(where, f"attributes are an object or a list, not {_kind(given)}")

    def attribute(self, item: Any, place: str) -> Attribute:
        if not isinstance(item, dict):
            raise NexusError(place, f"an attribute of a list is an object with name and values, not {_kind(item)}")
        self.warn(item, _ATTRIBUTE, place)
        word = item.get("dtype", item.get("type"))
        dtype, given = None if word is None else dtype_of(word, place), _given(item, place)
        if dtype == STRING and given != [] and all(_is_number(value) for value in (given if isinstance(given, list) else [given])):
            self.warnings.append(f"{place}: {item.get('name')} is said to be a string, and is written as what it has, numbers")
            dtype = None
        return Attribute(name=_name(item, place), value=to_array(given, dtype, place))

    def warn(self, node: Mapping[str, Any], known: Collection[str], place: str) -> None:
        if len(self.warnings) < _MOST:  # nobody reads more, and each takes 50 µs to find
            self.warnings += unknown_words(node, known, place)


def _is_number(value: Any) -> bool:
    """Tell whether this is a number: editors of structures give the vector of a transformation the type of a text."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_newer_words(node: dict[str, Any], place: str) -> dict[str, Any]:
    """Return a node of the older grammar (`type` dataset, stream or link) as one with module and config."""
    attributes = {"attributes": node["attributes"]} if "attributes" in node else {}
    match node.get("type"):
        case "dataset" if "module" not in node and ("values" in node or "value" in node):
            shape = node.get("dataset", {})
            kind = {"dtype": shape["type"]} if isinstance(shape, dict) and "type" in shape else {}
            config = {"name": node.get("name"), "values": _given(node, place), **kind}
            return {"module": "dataset", "config": config, **attributes}
        case "stream" if "module" not in node:
            stream = node.get("stream")
            if not isinstance(stream, dict):
                raise NexusError(place, f"a stream needs an object `stream`, not {_kind(stream)}")
            config = {key: value for key, value in stream.items() if key not in ("writer_module", "module")}
            return {"module": stream.get("writer_module", stream.get("module")), "config": config, **attributes}
        case "link" if "module" not in node:
            return {"module": "link", "config": {"name": node.get("name"), "source": node.get("target")}}
        case _:
            return node


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


def _path(node: Mapping[str, Any], place: str) -> str:
    path = _text(node, "source", place)
    if "\0" in path:  # where HDF5 would end it
        raise NexusError(place, f"{path[:100]!r} can't be a path in a file")
    return path


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
