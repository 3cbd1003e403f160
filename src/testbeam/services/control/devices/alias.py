"""A device that stands for another one, which may be changed at any time."""

from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError
from testbeam.services.control.devices.base import Device
from testbeam.services.control.devices.params import Param

_OWN = frozenset({"alias", "devclass", "description", "visibility", "name", "key", "host", "log", "attached_devices", "unused", "real"})


class DeviceAlias(Device):
    """All that is asked of it is asked of the device that it stands for."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "alias": Param(description="name of the device that it stands for", type=str, default="", settable=True),
        "devclass": Param(description="class that the device has to be of", type=str, default=""),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos.core.device.DeviceAlias", "nicos.devices.generic.alias.DeviceAlias")

    def _take_parameters(self, config: Mapping[str, Any]) -> None:
        super()._take_parameters(config)
        self._values["alias"] = self.host.alias_target(self.name, self._values["alias"])

    @property
    def real(self) -> Device:
        """Return the device that it stands for.

        Raises:
            DeviceError: it stands for none.
        """
        if not self._values.get("alias"):
            raise DeviceError(f"alias {self.name} stands for no device; {self.name}.alias = 'name' makes it")
        found: Device = self.host.get_device(self._values["alias"])
        return found

    def parameter_changes(self, word: str, value: Any) -> Any:
        """Refuse a device that is not there."""
        if word == "alias" and value:
            self.host.get_device(value)
        return value

    def __getattribute__(self, word: str) -> Any:
        own = word.startswith("_") or word in _OWN or word not in _FORWARDED
        if own or (word == "names_of_classes" and not self._values["alias"]):
            return object.__getattribute__(self, word)
        return getattr(self.real, word)

    def __getattr__(self, word: str) -> Any:
        values = self.__dict__.get("_values", {})
        if word in ("alias", "devclass", "description", "visibility", "loglevel"):
            return values.get(word)
        if word.startswith("__"):
            raise AttributeError(word)
        if word == "nexus_config":
            return ()  # the real device has its own
        return getattr(self.real, word)

    def __setattr__(self, word: str, value: Any) -> None:
        if word in self.all_parameters or word in _OWN or "_values" not in self.__dict__:
            super().__setattr__(word, value)
        else:
            setattr(self.real, word, value)


_FORWARDED = frozenset(
    {"read", "status", "start", "move", "maw", "wait", "stop", "reset", "fix", "release", "format", "history", "info", "counted"}
    | {"value_info", "check", "is_completed", "do_read", "do_status", "poll", "get_structure", "names_of_classes", "set_position"}
)


def resolved(device: Device) -> Device:
    """Return the device itself, or that which an alias stands for."""
    return device.real if isinstance(device, DeviceAlias) else device
