"""`session`, as scripts and clients of the field know it: the names are theirs."""

from collections.abc import Mapping
from typing import Any

from testbeam.errors import DeviceError
from testbeam.services.control.daemon.prompts import Prompts
from testbeam.services.control.devices.base import Device
from testbeam.services.control.session import Session


class ScriptSession:
    """The session under the names that genuine clients evaluate."""

    def __init__(self, session: Session, namespace: Mapping[str, Any], prompts: Prompts | None = None) -> None:
        self._session = session
        self._prompts = prompts
        self.namespace = namespace
        self.mode = "master"
        self.sessiontype = "daemon"

    def __getattr__(self, word: str) -> Any:
        return getattr(self._session, word)

    def getDevice(self, name: str | Device, *_: Any, **__: Any) -> Device:  # noqa: N802 — the field's name
        """Return a device."""
        return name if isinstance(name, Device) else self._session.get_device(name)

    def setUserinput(self, uid: str, value: Any) -> None:  # noqa: N802 — the field's name
        """Answer what a script asks; raise ControlError where it does not fit."""
        if self._prompts is not None:
            self._prompts.answer(uid, value)

    @property
    def configured_devices(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Return what the loaded setups say of devices."""
        return {name: (config.class_name, dict(config.parameters)) for name, config in self._session.configs.items()}

    @property
    def _setup_info(self) -> dict[str, dict[str, Any] | None]:
        return {name: None if setup.problem else setup.for_clients() for name, setup in self._session.setups.items()}

    def getSetupInfo(self) -> dict[str, dict[str, Any] | None]:  # noqa: N802 — the field's name
        """Return what there is of setups; None for one that can't be loaded."""
        return self._setup_info

    @property
    def experiment(self) -> Any:
        """Return the experiment, or one that has nothing."""
        return self._session.experiment or _Nothing("experiment")

    @property
    def instrument(self) -> Any:
        """Return the instrument, or one that has nothing."""
        return self._session.instrument or _Nothing("instrument")

    def delay(self, seconds: float) -> None:
        """Wait, open for breaks and stops."""
        self._session.sleep(seconds)


class _Nothing:
    """Stands for an experiment or instrument that no loaded setup has."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __getattr__(self, word: str) -> Any:
        raise DeviceError(f"the loaded setups have no {self._what}")

    def __bool__(self) -> bool:
        return False
