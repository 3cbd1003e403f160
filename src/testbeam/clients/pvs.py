"""PV in the hand of a test: read it, set it, expect something of it."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeAlias

from testbeam.errors import PvMissing, SettingsError, TransportError, WaitTimeout
from testbeam.model.deadline import Deadline
from testbeam.transport.ca.pv_client import CaPvClient
from testbeam.transport.epics_environment import CA_PORT, PVA_PORT
from testbeam.transport.pva.client import PvaClient
from testbeam.wire.pv_reading import PvValue, Reading, Scalar

if TYPE_CHECKING:
    from testbeam.model.samples import Severity

PvProtocol: TypeAlias = Literal["pva", "ca"]
Where: TypeAlias = Callable[[Reading], bool]

# After this long without an answer a name that is not among the IOC's records is taken for wrong.
_DOUBT_S = 0.6


class PvClient(Protocol):
    """A client of one IOC; may be called from any thread."""

    def get(self, name: str, within_s: float) -> Reading:
        """Return the value of now."""

    def put(self, name: str, value: PvValue | Sequence[Scalar], wait: bool, within_s: float) -> None:
        """Write."""

    def updates(self, name: str, within_s: float) -> Iterator[Reading]:
        """Yield the value of now and every change until the time is up."""

    def close(self) -> None:
        """End connections."""


def open_client(address: str, protocol: PvProtocol, port: int | None = None, search_port: int | None = None) -> PvClient:
    """Return a client of the IOC at `address`, on the protocol's default port unless told another; nothing is connected yet.

    search_port: UDP port for searches of PVA, of an IOC with QSRV 1.

    Raises:
        SettingsError: the protocol is neither "pva" nor "ca".
    """
    if protocol == "pva":
        return PvaClient(address, port or PVA_PORT, search_port)
    if protocol == "ca":
        return CaPvClient(address, port or CA_PORT)
    raise SettingsError("protocol", protocol, '"pva" or "ca"')


class PvHandle:
    """One PV over one protocol; `within_s` is always in seconds and ends with an error that says what was seen last.

    A PV of an IOC that is not up, or restarts, is waited for. `records` returns the names of the IOC's records, or none where they are
    not known; with them a wrong name is found at once, and the error names those that are near it.
    """

    def __init__(self, name: str, client: PvClient, records: Callable[[], Sequence[str]] = tuple) -> None:
        self.name = name
        self._client = client
        self._records = records

    @classmethod
    def at(cls, address: str, name: str, protocol: PvProtocol = "pva") -> Self:
        """Return the PV `name` of the IOC at `address`; `close` it, or use it as a context manager."""
        return cls(name, open_client(address, protocol))

    def __repr__(self) -> str:
        return f"<PV {self.name} at {self._client}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, if one is kept."""
        self._client.close()

    def read(self, within_s: float = 10.0) -> Reading:
        """Return value, alarm, time, units and choices of now.

        Raises:
            PvMissing: the IOC runs and has no such PV.
            TransportError: it does not answer within `within_s`, or refuses.
        """
        deadline = Deadline(within_s)
        try:
            return self._client.get(self.name, min(_DOUBT_S, within_s))
        except TransportError as error:
            self._doubt(error)
            if deadline.passed:
                raise
        return self._client.get(self.name, deadline.left_s)

    def get(self, within_s: float = 10.0) -> PvValue:
        """Return the value of now: a number, text, the index of an enum, or a list for an array; raise as `read`."""
        return self.read(within_s).value

    @property
    def value(self) -> PvValue:
        """Return the value of now; raise as `read`."""
        return self.get()

    @property
    def text(self) -> str:
        """Return the value of now as a person reads it, the choice of an enum for one; raise as `read`."""
        return self.read().text

    @property
    def alarm(self) -> "Severity":
        """Return the alarm severity of now; its cause is in `read().status`; raise as `read`."""
        from testbeam.model.samples import Severity  # late: the model brings numpy along

        return Severity(self.read().severity)

    def put(self, value: PvValue | Sequence[Scalar], wait: bool = True, within_s: float = 10.0) -> None:
        """Write a value; with `wait`, until the record and all it sets off have processed.

        Raises:
            PvMissing: the IOC runs and has no such PV.
            TransportError: the PV does not take the value, or the write is not completed within `within_s`.
            WireError: the value fits no type of the protocol.
        """
        deadline = Deadline(within_s)
        self.read(within_s)
        self._client.put(self.name, _plain(value), wait, deadline.left_s)

    def updates(self, within_s: float = 10.0) -> Iterator[Reading]:
        """Yield the value of now and then every change, until `within_s` has passed; closing the iterator unsubscribes.

        Raises:
            PvMissing: the IOC runs and has no such PV.
            TransportError: the PV does not answer within `within_s`, or its connection is lost.
        """
        deadline = Deadline(within_s)
        self.read(within_s)
        yield from self._client.updates(self.name, deadline.left_s)

    def expect(
        self,
        value: PvValue | Sequence[Scalar] | None = None,
        *,
        where: Where | None = None,
        severity: "Severity | int | None" = None,
        within_s: float = 10.0,
    ) -> Reading:
        """Wait until the PV has `value` (an enum matches its choice, too), `severity`, and is as `where(reading)` asks; return it so.

        Every change is looked at, so a value that passes by is seen as well; a connection that is lost meanwhile is made anew.

        Raises:
            WaitTimeout: it did not come true within `within_s`; says what was last seen.
            PvMissing: the IOC runs and has no such PV.
        """
        deadline, seen = Deadline(within_s), _Seen()
        wanted = _plain(value)
        while True:
            try:
                for reading in self.updates(max(deadline.left_s, 0.001)):
                    seen.reading, seen.updates = reading, seen.updates + 1
                    if _is(reading, wanted, severity, where):
                        return reading
            except PvMissing:
                raise
            except TransportError as error:
                seen.trouble = str(error)
            if deadline.passed:
                raise WaitTimeout(f"{self!r} did not become {_words(value, severity, where)} within {within_s:g} s; {seen}")

    def records(self) -> Sequence[str]:
        """Return the names of the IOC's records, or none where they are not known."""
        return self._records()

    def _doubt(self, error: TransportError) -> None:
        """Raise PvMissing if the IOC lacks this name by its own list, or said so."""
        names = self._records()
        near = tuple(difflib.get_close_matches(self.name, names, n=3, cutoff=0.5))
        if isinstance(error, PvMissing):
            raise PvMissing(self.name, error.place, near) from None
        if names and self.name.partition(".")[0] not in names:
            raise PvMissing(self.name, f"the IOC at {self._client}", near) from error


def require_pv(name: str, servers: Mapping[str, PvHandle], within_s: float) -> None:
    """Return once one of these servers, by their names, has the PV; what is among the records of one is not asked for.

    Raises:
        PvMissing: none has it; names that are near it are given, of those servers that tell their records.
    """
    deadline, records, said = Deadline(within_s), set[str](), list[str]()
    for server in servers.values():
        records |= set(server.records())
    if name.partition(".")[0] in records:
        return
    for count, (where, server) in enumerate(servers.items()):
        try:
            server.read(max(deadline.left_s / (len(servers) - count), 0.001))
        except PvMissing:
            said.append(where)
        except TransportError as error:
            said.append(f"{where} ({error})")
        else:
            return
    raise PvMissing(name, " or ".join(said), tuple(difflib.get_close_matches(name, sorted(records), n=3, cutoff=0.5)))


class _Seen:
    """What `expect` has seen so far, in words."""

    def __init__(self) -> None:
        self.reading: Reading | None = None
        self.updates = 0
        self.trouble = ""

    def __str__(self) -> str:
        trouble = f"; {self.trouble}" if self.trouble else ""
        if self.reading is None:
            return f"no value was seen{trouble}"
        shown = (
            repr(self.reading.value) if self.reading.text == str(self.reading.value) else f"{self.reading.value!r} ({self.reading.text})"
        )
        units = f" {self.reading.units}" if self.reading.units else ""
        return f"last seen at {shown:.200}{units}, alarm {self.reading.status} {self.reading.severity}, in {self.updates} updates{trouble}"


def _is(reading: Reading, wanted: PvValue | None, severity: int | None, where: Where | None) -> bool:
    return (
        (wanted is None or reading.matches(wanted))
        and (severity is None or reading.severity == severity)
        and (where is None or where(reading))
    )


def _words(value: object, severity: int | None, where: Where | None) -> str:
    parts = [repr(value)[:200]] if value is not None else []
    parts += [f"severity {int(severity)}"] if severity is not None else []
    parts += [f"as {getattr(where, '__name__', repr(where))} asks"] if where is not None else []
    return " with ".join(parts) or "anything"


def _plain(value: object) -> PvValue:
    """Return a numpy scalar or array as Python's own."""
    return value.tolist() if hasattr(value, "tolist") else value  # type: ignore[return-value]  # checked by the client
