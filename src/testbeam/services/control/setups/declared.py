"""Declarations of a setup: values only, nothing is created yet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GROUPS = ("basic", "lowlevel", "optional", "special", "configdata", "plugplay")


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """One `device("dotted.Class", **parameters)` of a setup file."""

    class_name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Any]:
        """Yield class and parameters: setup files take their own declarations apart."""
        return iter((self.class_name, self.parameters))

    def __getitem__(self, index: int) -> Any:
        return (self.class_name, self.parameters)[index]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One setup. `problem` tells why it can't be loaded, "" where it can; `devices` that are None take away an included one."""

    name: str
    file: Path
    description: str = ""
    group: str = "optional"
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    sysconfig: Mapping[str, Any] = field(default_factory=dict)
    devices: Mapping[str, DeviceConfig | None] = field(default_factory=dict)
    startupcode: str = ""
    alias_config: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    display_order: int = 50
    extended: Mapping[str, Any] = field(default_factory=dict)
    monitor_blocks: Any = None  # of monitors that are not ours, in whatever form
    watch_conditions: tuple[Any, ...] = ()
    problem: str = ""

    def for_clients(self) -> dict[str, Any]:
        """Return the setup as clients know it."""
        devices = {name: (one.class_name, dict(one.parameters)) for name, one in self.devices.items() if one is not None}
        return {
            "description": self.description,
            "group": self.group,
            "sysconfig": dict(self.sysconfig),
            "includes": list(self.includes),
            "excludes": list(self.excludes),
            "modules": list(self.modules),
            "devices": devices,
            "startupcode": self.startupcode,
            "alias_config": dict(self.alias_config),
            "display_order": self.display_order,
            "extended": dict(self.extended),
            "filenames": [str(self.file)],
        }
