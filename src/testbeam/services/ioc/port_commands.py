"""Commands of the IOC shell that make and set ports, and those of StreamDevice.

Source: docs/reference/contracts/ioc.md, "Start-up files"; the manuals of asyn and StreamDevice.
"""

import ctypes
from collections.abc import Sequence

from testbeam.errors import ConversionError
from testbeam.services.ioc.commands import Shell, number, raw
from testbeam.services.ioc.stream.connections import Serial
from testbeam.services.ioc.stream.port import Port
from testbeam.services.ioc.stream.support import Support


class PortCommands:
    """The commands, over the ports of one IOC."""

    def __init__(self, shell: Shell, support: Support) -> None:
        self._shell = shell
        self._support = support

    def add(self) -> None:
        """Make the commands known to the shell."""
        commands = {
            "drvAsynIPPortConfigure": self._internet_port,
            "drvAsynSerialPortConfigure": self._serial_port,
            "asynSetOption": self._set_option,
            "asynShowOption": self._show_option,
            "asynOctetSetInputEos": self._input_terminator,
            "asynOctetSetOutputEos": self._output_terminator,
            "asynAutoConnect": self._auto_connect,
            "asynEnable": self._enable,
            "streamReload": lambda words: self._support.reload(_word(words, 0, "*")),
            "streamReinit": lambda words: self._support.reinitialise(_word(words, 0)),
            "streamReportRecord": self._report,
            "streamSetLogfile": self._log_file,
        }
        for name, command in commands.items():
            self._shell.add(name, command)
        self._shell.add_variable("streamError", self._support.errors.on)
        self._shell.add_variable("streamErrorDeadTime", self._support.errors.dead_time_s)
        for name in ("streamDebug", "streamDebugColored", "streamMsgTimeStamped"):
            self._shell.add_variable(name, ctypes.c_int(0))

    def _port(self, words: Sequence[str]) -> Port:
        name = _word(words, 0)
        if name not in self._support.ports:
            raise ConversionError(f"there is no port {name!r}; ports are {', '.join(sorted(self._support.ports)) or 'none'}")
        return self._support.ports[name]

    def _internet_port(self, words: Sequence[str]) -> None:
        self._support.add_internet_port(_word(words, 0), _word(words, 1), auto_connect=not number(_word(words, 3)))

    def _serial_port(self, words: Sequence[str]) -> None:
        self._support.add_serial_port(_word(words, 0), _word(words, 1), auto_connect=not number(_word(words, 3)))

    def _set_option(self, words: Sequence[str]) -> None:
        port, key, value = self._port(words), _word(words, 2), _word(words, 3)
        if key == "disconnectOnReadTimeout":
            port.options.disconnect_on_timeout = value.upper().startswith("Y")
        elif isinstance(port.connection, Serial):
            port.connection.options[key] = value
        elif key == "hostInfo":
            raise ConversionError("a port can't be led to another host while it exists; make another port")

    def _show_option(self, words: Sequence[str]) -> None:
        port = self._port(words)
        options = port.connection.options if isinstance(port.connection, Serial) else {}
        self._shell.say(f"{_word(words, 2)}={options.get(_word(words, 2), '')}")

    def _input_terminator(self, words: Sequence[str]) -> None:
        self._port(words).options.input_terminator = raw(_word(words, 2))

    def _output_terminator(self, words: Sequence[str]) -> None:
        self._port(words).options.output_terminator = raw(_word(words, 2))

    def _auto_connect(self, words: Sequence[str]) -> None:
        self._port(words).set_auto_connect(bool(number(_word(words, 2))))

    def _enable(self, words: Sequence[str]) -> None:
        self._port(words).options.enabled = bool(number(_word(words, 2)))

    def _report(self, words: Sequence[str]) -> None:
        for line in self._support.report(_word(words, 0, "*")):
            self._shell.say(line)

    def _log_file(self, words: Sequence[str]) -> None:
        self._support.log_to(_word(words, 0))


def _word(words: Sequence[str], index: int, default: str = "") -> str:
    return words[index] if index < len(words) else default
