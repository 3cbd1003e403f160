"""The simulators by their names, and how others are found: `FILE.py`, `FILE.py:CLASS`, `MODULE:CLASS`, a transcript `FILE.jsonl`."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from testbeam.errors import SettingsError
from testbeam.simulators.devices.device import Device
from testbeam.simulators.devices.recorded import SUFFIX, recorded_class

DEVICES = {
    "power_supply": "PowerSupply",
    "motor": "Motor",
    "chopper": "Chopper",
    "temperature_controller": "TemperatureController",
    "area_detector": "AreaDetector",
}


def device_class(name: str) -> type[Device]:
    """Return the class of a simulator.

    Raises:
        SettingsError: there is none of this name, or the file has none or several.
    """
    if name in DEVICES:
        module = importlib.import_module(f"testbeam.simulators.devices.{name}")
        return _checked(name, getattr(module, DEVICES[name]))
    if name.endswith(SUFFIX) or f"{SUFFIX}:" in name:
        return recorded_class(name)
    where, colon, kind = name.rpartition(":") if ":" in name else (name, "", "")
    if not where.endswith(".py") and not colon:
        raise SettingsError(
            "device", name, f"one of {', '.join(DEVICES)}, FILE.py:CLASS of your own, or FILE.jsonl that an IOC has recorded"
        )
    module = _from_file(Path(where)) if where.endswith(".py") else _from_module(where)
    return _checked(name, getattr(module, kind, None)) if kind else _only_one(name, module)


def _from_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise SettingsError("device", str(path), "a file of Python that exists")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def _from_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SettingsError("device", name, f"a module that can be imported ({error})") from error


def _only_one(name: str, module: ModuleType) -> type[Device]:
    found = [
        kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Device) and kind.__module__ == module.__name__
    ]
    if len(found) != 1:
        known = ", ".join(kind.__name__ for kind in found) or "none"
        raise SettingsError("device", name, f"the class after a colon; classes of Device in it: {known}")
    return found[0]


def _checked(name: str, kind: object) -> type[Device]:
    if isinstance(kind, type) and issubclass(kind, Device):
        return kind
    raise SettingsError("device", name, "a class of testbeam.devices.Device")
