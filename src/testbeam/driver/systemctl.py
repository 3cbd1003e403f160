"""`systemctl` and `journalctl` for the units of a machine."""

from collections.abc import Callable, Sequence
from typing import Protocol

from testbeam.driver.spec import MachineSpec
from testbeam.driver.units import ACTIVE, FAILED, TARGETS, plain
from testbeam.errors import StackError
from testbeam.kit.handle import Handle

Answer = tuple[int, str]
NOT_RUNNING, UNKNOWN = 3, 4


class UnitManager(Protocol):
    """A machine as its units are managed: by the words of NixOS' driver."""

    spec: MachineSpec

    def start_job(self, jobname: str) -> Answer:
        """Start a unit."""
        ...

    def stop_job(self, jobname: str) -> Answer:
        """Stop a unit."""
        ...

    def get_unit_state(self, unit: str) -> str:
        """Return `active`, `failed` and so on."""
        ...

    def get_unit_info(self, unit: str) -> dict[str, str]:
        """Return the properties of a unit."""
        ...

    def unit(self, name: str) -> Handle:
        """Return the handle of a unit."""
        ...

    def get_console_log(self) -> str:
        """Return all that the units have logged."""
        ...


def systemctl(machine: UnitManager, words: Sequence[str]) -> Answer:
    """Return exit code and output of `systemctl WORDS`."""
    plain_words = [word for word in words if not word.startswith("-")]
    if not plain_words:
        return 0, "".join(f"{unit.name}.service loaded {machine.get_unit_state(unit.name)}\n" for unit in machine.spec.units)
    verb, units = plain_words[0], plain_words[1:]
    if verb in ("daemon-reload", "reset-failed", "enable", "disable"):
        return 0, ""
    if verb not in _VERBS:
        return 1, f"Unknown command verb '{verb}'; known here are {', '.join(_VERBS)}\n"
    code, output = 0, ""
    for unit in units:
        try:
            one, said = _VERBS[verb](machine, unit)
        except StackError as error:
            one, said = UNKNOWN, f"{error}\n"
        code, output = code or one, output + said
    return code, output


def journalctl(machine: UnitManager, words: Sequence[str]) -> Answer:
    """Return exit code and output of `journalctl -u UNIT`, or of the whole machine."""
    units = [words[index + 1] for index, word in enumerate(words[:-1]) if word in ("-u", "--unit")]
    units += [word.partition("=")[2] for word in words if word.startswith("--unit=")]
    if not units:
        return 0, machine.get_console_log()
    try:
        return 0, "".join(machine.unit(unit).get_stdout() for unit in units)
    except StackError as error:
        return 1, f"{error}\n"


def _restart(machine: UnitManager, unit: str) -> Answer:
    machine.stop_job(unit)
    return machine.start_job(unit)


def _kill(machine: UnitManager, unit: str) -> Answer:
    machine.unit(unit).kill()
    return 0, ""


def _is(wanted: str) -> Callable[[UnitManager, str], Answer]:
    def ask(machine: UnitManager, unit: str) -> Answer:
        state = machine.get_unit_state(unit)
        return (0 if state == wanted else NOT_RUNNING), f"{state}\n"

    return ask


def _status(machine: UnitManager, unit: str) -> Answer:
    info = machine.get_unit_info(unit)
    log = "" if unit in TARGETS else "\n".join(machine.unit(unit).log_tail(10))
    text = f"{plain(unit)}.service\n   Active: {info['ActiveState']} ({info['SubState']})\n Main PID: {info['MainPID']}\n\n{log}\n"
    return (0 if info["ActiveState"] == ACTIVE else NOT_RUNNING), text


def _show(machine: UnitManager, unit: str) -> Answer:
    return 0, "".join(f"{name}={value}\n" for name, value in machine.get_unit_info(unit).items())


_VERBS: dict[str, Callable[[UnitManager, str], Answer]] = {
    "start": lambda machine, unit: machine.start_job(unit),
    "stop": lambda machine, unit: machine.stop_job(unit),
    "restart": _restart,
    "kill": _kill,
    "is-active": _is(ACTIVE),
    "is-failed": _is(FAILED),
    "status": _status,
    "show": _show,
}
