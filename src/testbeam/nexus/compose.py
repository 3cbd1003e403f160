"""nexus_structure in Python: nested calls that give the JSON nodes of the file-writer's grammar.

Source: docs/reference/contracts/filewriter.md, "NeXus structure JSON".
"""

import json
from collections.abc import Mapping
from typing import Any

Node = dict[str, Any]


def group(name: str, nx_class: str, *children: Node, **attributes: Any) -> Node:
    """Return a group; children are nodes made by the functions here, or whole fragments read from a geometry file."""
    return {
        "type": "group",
        "name": name,
        "children": list(children),
        "attributes": _attributes({"NX_class": nx_class, **attributes}),
    }


def dataset(name: str, values: Any, dtype: str | None = None, **attributes: Any) -> Node:
    """Return a static dataset; without `dtype` a str is "string", an int "int64", all else "double"."""
    kind = dtype or ("string" if isinstance(values, str) else "int64" if isinstance(values, int) else "double")
    node: Node = {"module": "dataset", "config": {"name": name, "values": values, "dtype": kind}}
    return node | ({"attributes": _attributes(attributes)} if attributes else {})


def link(name: str, source: str) -> Node:
    """Return a hard link to `source`, a path relative to the link's own group (`../` goes up)."""
    return {"module": "link", "config": {"name": name, "source": source}}


def stream(module: str, *, topic: str, source: str, **config: Any) -> Node:
    """Return a stream module: what `source` sends to `topic` is written into the group that holds this node."""
    return {"module": module, "config": {"topic": topic, "source": source, **config}}


def log(name: str, *, topic: str, source: str, dtype: str = "double", units: str = "") -> Node:
    """Return an NXlog group with the f144 stream of one PV."""
    return group(name, "NXlog", stream("f144", topic=topic, source=source, dtype=dtype, **({"value_units": units} if units else {})))


def nexus_structure(*children: Node) -> str:
    """Return the JSON text that goes into a pl72."""
    return json.dumps({"children": list(children)})


def _attributes(values: Mapping[str, Any]) -> list[Node]:
    return [
        {"name": name, "values": value, "dtype": "string"} if isinstance(value, str) else {"name": name, "values": value}
        for name, value in values.items()
    ]
