"""Words of testbeam's own beside those of NixOS' driver: PVs and simulated devices as objects.

Source: docs/reference/test-driver.md.
"""

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from testbeam.clients.pvs import PvHandle, PvProtocol, open_client
from testbeam.driver.waiting import RequestedAssertionFailed
from testbeam.errors import StackError, WaitTimeout
from testbeam.stacks.roles.ioc.declaration import IocHandle
from testbeam.wire.pv_reading import PvValue, Reading, Scalar

SEVERITIES = ("NO_ALARM", "MINOR", "MAJOR", "INVALID")


class PvServer(Protocol):
    """What a PV needs of the machine that serves it."""

    name: str
    address: str

    @property
    def search_port(self) -> int | None:
        """Return the UDP port for searches of PVA where an IOC answers none on TCP."""
        ...

    def start(self) -> None:
        """Start the machine, if it is not up."""

    def iocs(self) -> Mapping[str, IocHandle]:
        """Return the handles of its IOCs by their units."""
        ...


class Pv:
    """One PV of a machine. What is expected is watched for by a monitor, so that a value that passes by is seen as well."""

    def __init__(self, name: str, protocol: PvProtocol, machine: PvServer) -> None:
        self.name = name
        self.protocol = protocol
        self._machine = machine
        self._handle: PvHandle | None = None

    def __repr__(self) -> str:
        return f"<PV {self.name} of machine {self._machine.name} by {self.protocol}>"

    def _pv(self) -> PvHandle:
        self._machine.start()
        if self._handle is None:
            self._handle = PvHandle(
                self.name, open_client(self._machine.address, self.protocol, search_port=self._machine.search_port), self._records
            )
        return self._handle

    def _records(self) -> Sequence[str]:
        return [name for ioc in self._machine.iocs().values() for name in ioc.records]

    def forget(self) -> None:
        """Close the connection; the next call makes another."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()

    def read(self, within_s: float = 10.0) -> Reading:
        """Return value, alarm, time, units and choices of now."""
        return self._pv().read(within_s)

    def get(self, within_s: float = 10.0) -> PvValue:
        """Return the value of now."""
        return self.read(within_s).value

    @property
    def value(self) -> PvValue:
        """Return the value of now."""
        return self.get()

    def put(self, value: PvValue | Sequence[Scalar], wait: bool = True, within_s: float = 10.0) -> None:
        """Write, by default until the record and all that it sets off have processed; tried again while the IOC is not up."""
        self._pv().put(value, wait, within_s)

    def expect(
        self,
        value: PvValue | Sequence[Scalar] | None = None,
        *,
        where: Callable[[Reading], bool] | None = None,
        tolerance: float | None = None,
        within_s: float = 10.0,
    ) -> Reading:
        """Wait until the PV has this value, or one within a tolerance of it, or is as `where(reading)` says.

        Raises:
            RequestedAssertionFailed: it did not come to that in time; says what was seen last.
        """
        if tolerance is not None:
            return self._expect_near(value, tolerance, within_s)
        return self._expect_handle(within_s, value=value, where=where)

    def expect_number(self, within_s: float = 10.0) -> Reading:
        """Wait until the PV has a number without alarm INVALID."""
        return self._expect(lambda reading: isinstance(reading.value, int | float) and reading.severity < 3, "a valid number", within_s)

    def expect_alarm(self, severity: str, status: str | None = None, within_s: float = 10.0) -> Reading:
        """Wait until the alarm is of this severity, and of this status if one is given: `expect_alarm("INVALID", "TIMEOUT")`."""
        if severity not in SEVERITIES:
            raise StackError(f"severity {severity!r} is none of {', '.join(SEVERITIES)}")
        wanted = SEVERITIES.index(severity)
        words = f"alarm {severity}{f' {status}' if status else ''}"
        return self._expect(lambda reading: reading.severity == wanted and status in (None, reading.status), words, within_s)

    def expect_no_alarm(self, within_s: float = 10.0) -> Reading:
        """Wait until there is no alarm."""
        return self.expect_alarm("NO_ALARM", within_s=within_s)

    def _expect_near(self, value: Any, tolerance: float, within_s: float) -> Reading:
        wanted = float(value)

        def near(reading: Reading) -> bool:
            number: Any = reading.value  # text is read as a number, too
            return abs(float(number) - wanted) <= tolerance

        return self._expect(near, f"{wanted:g} ± {tolerance:g}", within_s)

    def _expect(self, where: Callable[[Reading], bool], words: str, within_s: float) -> Reading:
        where.__name__ = words
        return self._expect_handle(within_s, where=where)

    def _expect_handle(self, within_s: float, **wanted: Any) -> Reading:
        try:
            return self._pv().expect(within_s=within_s, **wanted)
        except WaitTimeout as error:
            raise RequestedAssertionFailed(str(error)) from None

    @contextmanager
    def not_processed(self, for_s: float = 0.5) -> Iterator[None]:
        """Fail if the record is processed within the block or for so long after it."""
        before = self.read().timestamp_ns
        yield
        time.sleep(for_s)
        after = self.read()
        if after.timestamp_ns != before:
            raise RequestedAssertionFailed(f"{self.name} was processed, and is now {after.value!r}")

    def over_time(self, seconds: float) -> list[Reading]:
        """Return the value of now and every change for so many seconds."""
        return list(self._pv().updates(seconds))


class Simulator:
    """The backdoor of a simulated device."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self.name = name

    def _ask(self, **order: Any) -> Any:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(5.0)
            try:
                client.connect(str(self._path))
                client.sendall(json.dumps(order).encode() + b"\n")
                answer = json.loads(client.makefile().readline())
            except (OSError, ValueError) as error:
                raise StackError(f"simulator {self.name!r} does not answer: {error}; does it run?") from error
        if not answer["ok"]:
            raise StackError(f"simulator {self.name!r}: {answer['error']}")
        return answer["value"]

    @property
    def state(self) -> dict[str, Any]:
        """Return all that is public of the device."""
        return dict(self._ask(do="state"))

    def get(self, name: str) -> Any:
        """Return one value."""
        return self.state[name]

    def set(self, **values: Any) -> None:
        """Set values: `simulator.set(voltage=5.0)`."""
        for name, value in values.items():
            self._ask(do="set", name=name, value=value)

    def fault(self, **faults: float) -> None:
        """Set faults that stay: `simulator.fault(late_s=0.2, dropped=0.1)`; 0 ends one."""
        for name, value in faults.items():
            self._ask(do="fault", name=name, value=value)

    @contextmanager
    def faulty(self, **faults: float) -> Iterator[None]:
        """Set faults for the block."""
        before = self._ask(do="faults")
        self.fault(**faults)
        try:
            yield
        finally:
            self.fault(**{name: before[name] for name in faults})

    def push(self, text: str) -> None:
        """Let the device send something that nobody has asked for."""
        self._ask(do="push", text=text)

    def advance(self, seconds: float) -> None:
        """Let virtual time pass at once."""
        self._ask(do="advance", seconds=seconds)

    def disconnect(self) -> None:
        """Close all connections to the device."""
        self._ask(do="disconnect")

    def transcript(self) -> list[tuple[float, str, str]]:
        """Return what the device has received (<) and answered (>), each with its time."""
        return [(entry[0], entry[1], entry[2]) for entry in self._ask(do="transcript")]
