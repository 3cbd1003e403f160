"""Commands about setups: which are loaded, with their devices, the commands of their modules, and their start-up code.

Source: docs/reference/control-commands.md.
"""

from collections.abc import Callable, Sequence
from typing import Any

from testbeam.errors import ControlError, DeviceError
from testbeam.services.control.commands.command_modules import Command, CommandModules, ModuleMissing, is_built_in
from testbeam.services.control.commands.flow import Flow
from testbeam.services.control.devices.base import Device
from testbeam.services.control.session import Session
from testbeam.services.control.setups.declared import Setup
from testbeam.wire.nicos.daemon_words import MessageLevel

_SYSTEM = "system"  # a setup of this name is loaded with every other
Named = Device | str


class SetupCommands:
    """Commands over one session; `on_setup` is told when setups have changed. `namespace` is that of scripts."""

    def __init__(self, session: Session, flow: Flow | None, on_setup: Callable[[], None] | None = None) -> None:
        self.session = session
        self.flow = flow
        self.namespace: dict[str, Any] = {}
        self._of_modules: dict[str, Command] = {}
        self._on_setup = on_setup

    def commands(self) -> dict[str, Command]:
        """Return the commands by the names that scripts know them by; for `ListCommands`."""
        return {}

    def new_setup(self, *names: str) -> None:
        """Load these setups in place of those that are loaded; fails, and names them, where devices can't be made."""
        self._load(names or tuple(self.session.explicit_setups), anew=True)

    def add_setup(self, *names: str) -> None:
        """Load these setups besides."""
        if not names:
            self.list_setups()
        self._load(names, anew=False)

    def remove_setup(self, *names: str) -> None:
        """Load all setups but these anew."""
        for name in names:
            if name not in self.session.loaded_setups:
                raise ControlError(f"setup {name!r} is not loaded; loaded are {', '.join(self.session.loaded_setups) or 'none'}")
        self._load([name for name in self.session.explicit_setups if name not in names], anew=True)

    def list_setups(self) -> None:
        """Tell the setups that there are."""
        for setup in sorted(self.session.setups.values(), key=lambda one: one.name):
            if setup.group not in ("special", "configdata"):
                mark = "loaded" if setup.name in self.session.loaded_setups else setup.problem and f"broken: {setup.problem}"
                self._tell(f"{setup.name:24} {mark or '':10} {setup.description}")

    def create_device(self, *names: Named) -> None:
        """Make devices that could not be made before."""
        for name in names:
            self.session.get_device(str(name))
        self._setup_changed()

    def create_all_devices(self) -> None:
        """Make all devices of the loaded setups that are not there."""
        failed = {}
        for name in [name for name in self.session.configs if name not in self.session.devices]:
            try:
                self.session.get_device(name)
            except DeviceError as error:
                failed[name] = str(error)
        self._setup_changed()
        if failed:
            raise DeviceError("; ".join(failed.values()))

    def remove_device(self, *names: Named) -> None:
        """Let go of devices."""
        for name in names:
            self.session.remove(str(name))
        self._setup_changed()

    def list_devices(self) -> None:
        """Tell the devices with what they are."""
        for name in sorted(self.session.explicit_devices):
            device = self.session.devices[name]
            self._tell(f"{name:24} {device.names_of_classes()[0].rpartition('.')[2]:24} {device.description}")

    def list_params(self, device: Named) -> None:
        """Tell the parameters of a device."""
        found = self._device(device)
        for word, param in sorted(found.all_parameters.items()):
            if not param.internal:
                self._tell(f"{word:20} {getattr(found, word, None)!r:30} {'settable' if param.settable else '':9} {param.description}")

    def list_commands(self) -> None:
        """Tell the commands."""
        for name, method in sorted(self.commands().items()):
            self._tell(f"{name:22} {(method.__doc__ or '').partition(chr(10))[0]}")

    def load_modules(self) -> None:
        """Run the modules of the loaded setups and give scripts their commands; what is not there is told.

        Raises:
            SetupError: a module's file fails; it names file and line.
        """
        own = self.commands()
        for word in self._of_modules:
            self.namespace.pop(word, None)
            self.namespace |= {word: own[word]} if word in own else {}
        self._of_modules = {}
        modules = CommandModules({"session": self.namespace.get("session"), **own})
        wanted = {name: setup.file for setup in self._loaded() for name in setup.modules if not is_built_in(name)}
        for name, file in wanted.items():
            try:
                self._of_modules |= modules.commands(name, file)
            except ModuleMissing as missing:
                self.session.log.say("", MessageLevel.WARNING, f"module {name} gives no commands: {missing}")
        self.namespace |= self._of_modules

    def _loaded(self) -> list[Setup]:
        return [self.session.setups[name] for name in self.session.loaded_setups]

    def _tell(self, text: str) -> None:
        self.session.log.say("", MessageLevel.INFO, text)

    def _load(self, names: Sequence[str], *, anew: bool) -> None:
        before = [] if anew else list(self.session.loaded_setups)
        try:
            self.session.load(names, first=self._first(names), anew=anew)
        finally:  # what could be made is there, and so are the commands
            self._setup_changed()
            self.load_modules()
        self._tell(f"setups loaded: {', '.join(self.session.loaded_setups) or 'none'}")
        for setup in self._loaded() if not self.session.simulated else ():
            if setup.startupcode.strip() and setup.name not in before:
                self._run_startup_code(setup)

    def _first(self, names: Sequence[str]) -> list[str]:
        """Return the setup that is loaded with every other one, where it is there and none of these keeps it out."""
        system = self.session.setups.get(_SYSTEM)
        excluded = {one for name in names if name in self.session.setups for one in self.session.setups[name].excludes}
        if system is None or not names or _SYSTEM in excluded:
            return []
        if system.problem:
            self.session.log.say("", MessageLevel.WARNING, f"setup {_SYSTEM} can't be loaded: {system.problem}")
            return []
        return [_SYSTEM]

    def _run_startup_code(self, setup: Setup) -> None:
        """Run a setup's own code; an error is told, and the setup is loaded all the same."""
        where = f"<startupcode of {setup.name}>"
        try:
            exec(compile(setup.startupcode, where, "exec"), self.namespace)  # noqa: S102 — a setup's own, by the field's design
        except (Exception, SystemExit) as error:  # the code is Python: anything may come of it
            self.session.log.say("", MessageLevel.ERROR, f"{setup.file}: startupcode: {type(error).__name__}: {error}")

    def _setup_changed(self) -> None:
        if self._on_setup is not None:
            self._on_setup()

    def _device(self, named: Named) -> Device:
        return named if isinstance(named, Device) else self.session.get_device(named)
