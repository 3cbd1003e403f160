"""Free space on a disk, which warns below a minimum."""

import shutil
from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError
from testbeam.services.control.devices.base import Readable
from testbeam.services.control.devices.params import Param, number
from testbeam.services.control.devices.status import State, Status

_BYTES = {"b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}


class FreeSpace(Readable):
    """The space below a path, by default where the experiment's data go."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "path": Param(description="a path on the disk (default: the experiment's data root)", default=None),
        "minfree": Param(description="what has to be free", type=number, default=5.0, settable=True, unit="GiB"),
        "unit": Param(description="unit of the value: B, KiB, MiB, GiB, TiB", type=str, default="GiB"),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos.devices.generic.system.FreeSpace",)

    def do_read(self) -> float:
        """Ask the file system."""
        return self._free() / _BYTES.get(self.unit.lower(), _BYTES["gib"])

    def do_status(self) -> Status:
        """Return a warning where too little is free."""
        free_gib = self._free() / _BYTES["gib"]
        return (State.OK, "") if free_gib >= self.minfree else (State.WARN, f"{free_gib:.2f} GiB are free, fewer than {self.minfree:g}")

    def _free(self) -> int:
        experiment: Any = self.host.find_device(str(self.host.sysconfig.get("experiment", "")))
        path = self.path or getattr(experiment, "dataroot", None) or "/"
        try:
            return shutil.disk_usage(path).free
        except OSError as error:
            raise DeviceError(f"{self.name}: {path}: {error.strerror}") from None
