"""The structure of a file: a JSON template, without what belongs to absent devices, with streams of present ones and the run's metadata."""

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

from testbeam.errors import DeviceError
from testbeam.services.control.devices.base import Device, Readable
from testbeam.services.control.devices.params import Param

_DEFAULT_PATH = "/entry/instrument"
_EMPTY = {"children": [{"type": "group", "name": "entry", "attributes": {"NX_class": "NXentry"}, "children": []}]}
Node = dict[str, Any]


class NexusStructure(Device):
    """A template and what is put into it."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "nexus_config_path": Param(description="file of the template; without one a bare NXentry", type=str, default="", settable=True),
        "instrument_name": Param(description="name that the file-writer looks for a template by", type=str, default=""),
        "area_det_collector_device": Param(description="device that knows the sizes of area detectors", default=None, settable=True),
        "collector_topic": Param(description="topic of device values, for devices that name none", type=str, default=""),
        "with_times": Param(description="whether the file tells start and end by a writer module mdat", type=bool, default=True),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.datasinks.nexus_structure.NexusStructureJsonFile",)

    def get_structure(self, metadata: Mapping[str, Any], number: int, job_id: str = "") -> str:
        """Return the structure of one file as JSON.

        Raises:
            DeviceError: the template can't be read, or has no NXentry.
        """
        structure = self._template()
        present = set(self.host.devices)
        _prune(structure, present, self._alias())
        entry = _find(structure, "/entry")
        if entry is None:
            raise DeviceError(f"{self.name}: {self.nexus_config_path or 'the template'} has no group /entry")
        for device in list(self.host.devices.values()):
            self._add_device(structure, device)
        self._add_metadata(entry, metadata, number, job_id)
        return json.dumps(structure)

    def _template(self) -> Node:
        if not self.nexus_config_path:
            return deepcopy(_EMPTY)
        try:
            structure = json.loads(Path(self.nexus_config_path).read_text())
        except (OSError, ValueError) as error:
            raise DeviceError(f"{self.name}: template {self.nexus_config_path} can't be read: {error}") from None
        if not isinstance(structure, dict) or not isinstance(structure.get("children"), list):
            raise DeviceError(f"{self.name}: template {self.nexus_config_path} has no list `children`")
        return structure

    def _alias(self) -> str:
        alias = self.host.find_device("NexusStructure")
        return str(getattr(alias, "alias", "") or self.name) if alias is not None else self.name

    def _add_device(self, structure: Node, device: Device) -> None:
        """Add a group for each `nexus_config` that names one."""
        for one in device.nexus_config or ():
            if not isinstance(one, Mapping) or not one.get("group_name") or not one.get("nx_class"):
                continue
            parent = _find(structure, str(one.get("nexus_path", _DEFAULT_PATH)))
            if parent is None:
                self.log.warning(f"{device.name} is not in the file: the template has no group {one.get('nexus_path', _DEFAULT_PATH)}")
                continue
            group = _group(parent, str(one["group_name"]), str(one["nx_class"]))
            name = f"{device.name}_{one['suffix']}" if one.get("suffix") else device.name
            group["children"].append(self._node(device, one, name))

    def _node(self, device: Device, one: Mapping[str, Any], name: str) -> Node:
        kind = one.get("dataset_type", "nx_log")
        if kind == "nx_log":
            config = {"source": one.get("source_name", ""), "topic": one.get("topic") or self.collector_topic}
            config |= {"dtype": "double"} | ({"value_units": one["units"]} if one.get("units") else {})
            stream = {"module": one.get("schema") or "f144", "config": config}
            return {"type": "group", "name": name, "attributes": {"NX_class": "NXlog"}, "children": [stream]}
        value = device.read(0) if kind == "static_read" and isinstance(device, Readable) else one.get("value", "")
        attributes = {"units": one["units"]} if one.get("units") else {}
        return {**_dataset(name, value), "attributes": attributes}

    def _add_metadata(self, entry: Node, metadata: Mapping[str, Any], number: int, job_id: str) -> None:
        children: list[Node] = entry.setdefault("children", [])
        known = {str(child.get("name") or child.get("config", {}).get("name", "")) for child in children}
        single = {
            "title": metadata.get("title", ""),
            "experiment_identifier": metadata.get("experiment_identifier", ""),
            "experiment_description": metadata.get("experiment_description", ""),
            "entry_identifier": str(number),
            "entry_identifier_uuid": job_id,
        }
        children.extend(_dataset(name, value) for name, value in single.items() if name not in known)
        if self.with_times:
            children.append({"module": "mdat", "config": {"items": ["start_time", "end_time"]}})
        for person in metadata.get("users", ()):
            name = str(person.get("name", "")).replace(" ", "")
            if name and f"user_{name}" not in known:
                data = [_dataset(str(word), str(value)) for word, value in person.items()]
                children.append({"type": "group", "name": f"user_{name}", "attributes": {"NX_class": "NXuser"}, "children": data})
        sample = _group(entry, "sample", "NXsample")
        if metadata.get("sample") and not any(child.get("config", {}).get("name") == "name" for child in sample["children"]):
            sample["children"].append(_dataset("name", metadata["sample"]))


def _dataset(name: str, value: Any) -> Node:
    kind = "string" if isinstance(value, str) else "int64" if isinstance(value, int) else "double"
    return {"module": "dataset", "config": {"name": name, "values": value, "dtype": kind}}


def _group(parent: Node, name: str, nx_class: str) -> Node:
    """Return the group of this name, made if need be."""
    children: list[Node] = parent.setdefault("children", [])
    for child in children:
        if child.get("type") == "group" and child.get("name") == name:
            child.setdefault("children", [])
            return child
    children.append({"type": "group", "name": name, "attributes": {"NX_class": nx_class}, "children": []})
    return children[-1]


def _find(structure: Node, path: str) -> Node | None:
    node = structure
    for name in path.strip("/").split("/"):
        found = next((child for child in node.get("children", ()) if child.get("type") == "group" and child.get("name") == name), None)
        if found is None:
            return None
        node = found
    return node


def _prune(node: Node, present: Iterable[str], alias: str) -> None:
    """Take out what asks for devices that are not there, or for another structure; the words themselves, too."""
    kept = []
    for child in node.get("children", ()):
        needed = child.pop("required_devices", ())
        if all(name in present for name in needed) and child.pop("required_nexus", alias) in (alias, "", None):
            _prune(child, present, alias)
            kept.append(child)
    if "children" in node:
        node["children"] = kept
