"""The server's PVs, and the loop that lets them move."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from testbeam.model.time import NS_PER_S
from testbeam.runtime.ready_file import write_ready_file
from testbeam.simulators.pva_server.core import Follower, Motor
from testbeam.simulators.pva_server.settings import PROG, PvaServerSettings
from testbeam.transport import epics_libraries
from testbeam.transport.pva.p4p_import import without_setuptools

_TICK_S = 0.02
_log = logging.getLogger(PROG)
OnPut = Callable[[Any], None]


def serve(settings: PvaServerSettings, stop: threading.Event) -> None:
    """Serve PVs until told to stop."""
    epics_libraries.folder("p4p")
    server = PvaServer(settings)
    with closing(server):
        _log.info("ready: %d PVs at %s:%d", len(server.pvs), settings.address, settings.port)
        write_ready_file(settings.ready_file)
        while not stop.wait(_TICK_S):
            server.step()


class PvaServer:
    """One server; its PVs by their names without the prefix."""

    def __init__(self, settings: PvaServerSettings) -> None:
        with without_setuptools():
            from p4p.nt import NTEnum, NTScalar
            from p4p.server import Server, StaticProvider
            from p4p.server.thread import SharedPV

        self._scalar, self._enum, self._shared = NTScalar, NTEnum, SharedPV
        self.pvs: dict[str, Any] = {}
        self._said: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._follower = Follower(settings.delay)
        self._motor = Motor(settings.speed, settings.lag)
        self._counting_since_s: float | None = None
        self._counts = 0.0
        self._rate = settings.count_rate
        self._make()
        provider = StaticProvider("pvs")
        for name, pv in self.pvs.items():
            provider.add(f"{settings.prefix}{name}", pv)
        conf = {
            "EPICS_PVAS_INTF_ADDR_LIST": settings.address,
            "EPICS_PVAS_SERVER_PORT": str(settings.port),
            "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_PVAS_BEACON_ADDR_LIST": settings.address,
        }
        self._server = Server(providers=[provider], conf=conf, useenv=False)

    def close(self) -> None:
        """Serve no more."""
        self._server.stop()

    def step(self) -> None:
        """Let everything move up to now, and tell what has changed."""
        now_s = time.monotonic()
        with self._lock:
            done = self._motor.shows_done(now_s)
            values = {
                "MOVE.RBV": self._follower.look(now_s),
                "MOTOR.RBV": self._motor.look(now_s),
                "MOTOR.DMOV": int(done),
                "MOTOR.MOVN": int(not done),
                "COUNTER": self._counted(now_s),
            }
        for name, value in values.items():
            self._say(name, value)

    def _make(self) -> None:
        self._number("READ.RBV", 1.23, units="mm")
        self._number("MOVE.RBV", 0.0, units="Hz", limits=(-100.0, 100.0))
        self._number("MOVE.VAL", 0.0, units="Hz", limits=(-100.0, 100.0), put=self._at_now(self._follower.put))
        self._number("MOTOR.VAL", 0.0, units="mm", put=self._at_now(self._motor.put))
        self._number("MOTOR.RBV", 0.0, units="mm")
        self._number("MOTOR.VELO", self._motor.speed, put=self._sets("speed"))
        self._number("MOTOR.LLM", self._motor.low, put=self._sets("low"))
        self._number("MOTOR.HLM", self._motor.high, put=self._sets("high"))
        for name, value in (("DMOV", 1), ("MOVN", 0), ("MISS", 0), ("HLS", 0), ("LLS", 0), ("LVIO", 0)):
            self._number(f"MOTOR.{name}", value, kind="i", put=lambda _value: None)
        further = {
            "DRBV": 0.0,
            "OFF": 0.0,
            "DLLM": self._motor.low,
            "DHLM": self._motor.high,
            "RDBD": 0.0,
            "MDEL": 0.0,
            "VMAX": 100.0,
            "VBAS": 0.0,
        }
        for name, number in further.items():
            self._number(f"MOTOR.{name}", number, put=lambda _value: None)
        for name in ("SET", "FOFF", "DIR", "HOMR", "PREC", "STAT", "SEVR", "JOGF", "JOGR"):
            self._number(f"MOTOR.{name}", 3 if name == "PREC" else 0, kind="i", put=lambda _value: None)
        self._text("MOTOR.DESC", "a motor")
        self._text("MOTOR.EGU", "mm")
        self._number("MOTOR.STOP", 0, kind="i", put=lambda value: self._motor.stop(time.monotonic()) if value else None)
        self._number("MOTOR.CNEN", 1, kind="i", put=lambda _value: None)
        self._number("MOTOR.HOMF", 0, kind="i", put=lambda value: self._motor.put(0.0, time.monotonic()) if value else None)
        self._number("DEAF", 0, kind="i", put=self._sets("deaf"))
        self._number("COUNTER", 0.0, units="cts")
        self._number("COUNTER.START", 0, kind="i", put=self._start_counting)
        self._number("COUNTER.STOP", 0, kind="i", put=self._stop_counting)
        self._text("NAME", "unnamed")
        self._choice("SHUTTER", ("Closed", "Open"))

    def _number(
        self,
        name: str,
        value: float,
        *,
        units: str = "",
        kind: str = "d",
        limits: tuple[float, float] | None = None,
        put: OnPut | None = None,
    ) -> None:
        form = self._scalar(kind, display=True, control=True)
        initial: dict[str, Any] = {"value": value, "display.units": units}
        if limits is not None:
            initial |= {"display.limitLow": limits[0], "display.limitHigh": limits[1]}
        self._open(name, form, initial, put)

    def _text(self, name: str, value: str) -> None:
        self._open(name, self._scalar("s"), {"value": value}, lambda _value: None)

    def _choice(self, name: str, choices: tuple[str, ...]) -> None:
        self._open(name, self._enum(), {"choices": list(choices), "index": 0}, lambda _value: None)

    def _open(self, name: str, form: Any, initial: dict[str, Any], put: OnPut | None) -> None:
        wrapped = form.wrap(initial) if "index" in initial else _filled(form, initial)
        pv = self._shared(initial=wrapped)
        self.pvs[name] = pv
        self._said[name] = initial.get("value", 0)
        if put is not None:
            pv.put(lambda pv, operation, put=put: self._take(pv, operation, put))  # p4p takes this as its handler

    def _take(self, pv: Any, operation: Any, put: OnPut) -> None:
        value = operation.value()
        try:
            with self._lock:
                put(value["value"] if not value.has("value.index") else value["value.index"])
            _stamp(value)
            pv.post(value)
            operation.done()
        except Exception as error:  # whatever a client sends: it is told, and the server lives
            operation.done(error=str(error))

    def _say(self, name: str, value: Any) -> None:
        if self._said[name] == value:
            return
        self._said[name] = value
        structure = self.pvs[name].current()
        structure.unmark()
        structure["value"] = value
        _stamp(structure)
        self.pvs[name].post(structure)

    def _at_now(self, put: Callable[[float, float], None]) -> OnPut:
        return lambda value: put(float(value), time.monotonic())

    def _sets(self, word: str) -> OnPut:
        return lambda value: setattr(self._motor, word, type(getattr(self._motor, word))(value))

    def _start_counting(self, value: Any) -> None:
        if value:
            self._counting_since_s = time.monotonic()

    def _stop_counting(self, value: Any) -> None:
        if value:
            self._counts, self._counting_since_s = self._counted(time.monotonic()), None

    def _counted(self, now_s: float) -> float:
        since_s = self._counting_since_s
        return self._counts + (round(self._rate * (now_s - since_s)) if since_s is not None else 0)


def _filled(form: Any, fields: dict[str, Any]) -> Any:
    value = form.wrap(fields["value"])
    for name, item in fields.items():
        if name != "value" and value.has(name):
            value[name] = item
    _stamp(value)
    return value


def _stamp(value: Any) -> None:
    seconds, nanoseconds = divmod(time.time_ns(), NS_PER_S)
    if value.has("timeStamp.secondsPastEpoch"):
        value["timeStamp.secondsPastEpoch"], value["timeStamp.nanoseconds"] = seconds, nanoseconds
