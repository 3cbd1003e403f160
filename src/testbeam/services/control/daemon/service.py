"""The daemon's parts put together: cache, session, commands, queue, connections."""

import ipaddress
import logging
import os
import threading
import time
from typing import Any

from testbeam.errors import ControlError, SettingsError, SetupError
from testbeam.runtime.ready_file import write_ready_file
from testbeam.services.control.commands.command_modules import import_of_setup
from testbeam.services.control.commands.scanning import ScanListener
from testbeam.services.control.commands.user import UserCommands
from testbeam.services.control.daemon.answers import DaemonAnswers
from testbeam.services.control.daemon.controller import Controller
from testbeam.services.control.daemon.estimate import Estimator
from testbeam.services.control.daemon.facade import ScriptSession
from testbeam.services.control.daemon.messages import Messages
from testbeam.services.control.daemon.prompts import Prompts
from testbeam.services.control.daemon.script import Request
from testbeam.services.control.daemon.server import Server
from testbeam.services.control.daemon.settings import PROG, DaemonSettings
from testbeam.services.control.daemon.users import users_of_file, users_of_setups
from testbeam.services.control.devices.moveable import Moveable
from testbeam.services.control.devices.sinks import Point, Scan
from testbeam.services.control.memory_cache import MemoryCache
from testbeam.services.control.session import Session
from testbeam.services.control.setups.files import read_setups
from testbeam.services.control.setups.places import cache_of_setups, host_and_port
from testbeam.transport.nicos.cache import CacheClient, CacheValue
from testbeam.wire.nicos.daemon_frames import live_data_words
from testbeam.wire.nicos.daemon_words import Event, MessageLevel
from testbeam.wire.nicos.serialisers import SERIALISERS
from testbeam.wire.nicos.values import dump

_CACHE_S = 5.0
_MASTER_TTL_S = 5.0
_MASTER_S = 2.0
_log = logging.getLogger(PROG)


def serve(settings: DaemonSettings, stop: threading.Event) -> None:
    """Run the scripts of users, and tell all clients what happens, until told to stop."""
    daemon = Daemon(settings)
    try:
        daemon.open(stop)
        daemon.run(stop)
    finally:
        daemon.close()


class Daemon:
    """One daemon.

    Raises:
        SettingsError: nobody could log in, or everybody off this machine could try to.
    """

    def __init__(self, settings: DaemonSettings) -> None:
        self._settings = settings
        setups = read_setups(settings.setups, import_of_setup)
        for setup in setups.values():
            if setup.problem:
                _log.warning("setup %s can't be loaded: %s", setup.name, setup.problem)
        self._users = users_of_file(settings.passwords) if settings.passwords is not None else users_of_setups(setups)
        self._check_access()
        place = settings.cache or cache_of_setups(setups)
        self._messages = Messages(lambda message: self._emit(Event.MESSAGE, message))
        self._cache = None if not place else CacheClient(*host_and_port("cache", place))
        self._cache_lost = False
        store: Any = MemoryCache(self._told) if self._cache is None else _TellingCache(self._cache, self._told)
        self._namespace: dict[str, Any] = {"__builtins__": __builtins__, "__name__": "__main__"}
        self._server: Server | None = None
        self._ending = threading.Event()
        self._master = threading.Thread(target=self._stay_master, name="master", daemon=True)
        self._controller = Controller(self._namespace, self._messages, self._emit)
        self._session = Session(setups, store, self._messages, breakpoint_=self._breakpoint)
        self._session.on_array = self._tell_array
        self._commands = UserCommands(self._session, self._controller.flow, self._setup_changed)
        self._commands.namespace = self._namespace
        self._commands.scanner.listeners.append(_ScanEvents(self._emit))
        self._controller.on_emergency = self._stop_everything
        self._commands.asks = self._prompts = Prompts(self._controller.flow, self._emit)
        estimator = Estimator(lambda eta: self._emit(Event.ETA, eta))
        self._script_session = ScriptSession(self._session, self._namespace, self._prompts)
        self._answers = DaemonAnswers(
            self._session,
            self._controller,
            self._commands,
            self._messages,
            self._users,
            self._emit,
            estimator=estimator,
            prompts=self._prompts,
            serialiser=settings.serializer,
            cache=self._cache,
        )
        self._controller.on_begin, self._controller.on_end = self._begin, estimator.end

    def open(self, stop: threading.Event) -> None:
        """Load the first setups and begin to accept clients; `stop` is set where they can't be served any more."""
        if self._cache is not None:
            self._cache.on_update = self._cache_changed  # from here on, as all that it concerns is there
            self._cache.on_connection = self._tell_connection
        if self._cache is not None and not self._cache.wait_connected(_CACHE_S):
            _log.warning("no cache answers at %s; values are kept in memory until one does", self._cache.address)
        self._fill_namespace()
        try:
            if self._settings.load:
                self._commands.new_setup(*self._settings.load)
        except SetupError as error:
            self._messages.add("", MessageLevel.ERROR, str(error))
        server = Server(self._settings.host, self._settings.port, SERIALISERS[self._settings.serializer], self._answers, on_crash=stop.set)
        self._server = server
        server.start()
        self._master.start()
        _log.info(
            "ready: daemon at %s:%d, %d setups, %d users", self._settings.host, server.port, len(self._session.setups), len(self._users)
        )
        write_ready_file(self._settings.ready_file)

    def run(self, stop: threading.Event) -> None:
        """Run scripts until told to stop.

        Raises:
            ControlError: clients can't be served any more.
        """
        self._controller.run(stop)
        if self._server is not None and self._server.crashed:
            raise ControlError("the daemon ends, as its connections did; see the error before this in the log")

    def close(self) -> None:
        """End everything, the clients last."""
        self._session.close()
        self._ending.set()
        if self._master.ident is not None:
            self._master.join()
        if self._cache is not None:
            self._cache.put("session/master", "")
            self._cache.flush(0.5)
            self._cache.close()
        if self._server is not None:
            self._server.close()
        self._answers.close()

    def _check_access(self) -> None:
        if not len(self._users):
            raise SettingsError("passwords", "none", "--passwords FILE, or setups with a setup `daemon` whose authenticator lists users")
        loopback = self._settings.host == "localhost" or ipaddress.ip_address(self._settings.host).is_loopback
        if not loopback and self._settings.passwords is None:
            raise SettingsError(
                "host", self._settings.host, "a loopback address, or --passwords FILE: scripts may do anything on this machine"
            )

    def _emit(self, event: Event, data: Any) -> None:
        if self._server is not None:
            self._server.emit(event, data)

    def _tell_array(self, name: str, time_s: float, data: Any) -> None:
        """Tell clients an array as live data: what it is, and its bytes beside."""
        if self._server is not None:
            self._server.emit(Event.LIVEDATA, live_data_words(name, time_s, data.dtype.str, data.shape), [data.tobytes()])

    def _breakpoint(self, level: int) -> None:
        """Let breaks and stops take hold in the script's own thread; an `exec` or `eval` beside it is not the script."""
        if threading.current_thread() is threading.main_thread():
            self._controller.flow.breakpoint(level)

    def _begin(self, request: Request) -> None:
        """Prepare for a script that is about to run: commands have their names, whatever those before it did to them."""
        commands = self._commands.commands()
        lost = [name for name in commands if not callable(self._namespace.get(name))]
        if lost:
            self._namespace |= {name: commands[name] for name in lost}
            told = f"{', '.join(lost[:5])}{' …' if len(lost) > 5 else ''}"
            self._messages.add("", MessageLevel.WARNING, f"commands that a script had deleted or given values are put back: {told}")
        if not isinstance(self._namespace.get("session"), ScriptSession):
            self._namespace["session"] = self._script_session
        self._answers.estimate(request)

    def _fill_namespace(self) -> None:
        self._namespace |= self._commands.commands() | {"session": self._script_session}

    def _setup_changed(self) -> None:
        """Give scripts the devices of now by their names, and tell clients and poller."""
        session = self._session
        for name in [name for name, value in self._namespace.items() if value is not None and type(value).__module__.startswith(_DEVICES)]:
            del self._namespace[name]
        self._namespace |= {name: session.devices[name] for name in session.explicit_devices}
        session.cache.put("session/mastersetup", list(session.loaded_setups))
        session.cache.put("session/mastersetupexplicit", list(session.explicit_setups))
        self._emit(Event.SETUP, (list(session.loaded_setups), list(session.explicit_setups)))
        self._emit(Event.DEVICE, ("create", list(session.devices)))

    def _cache_changed(self, key: str, value: CacheValue) -> None:
        self._session.woken.set()
        self._told(key, value)

    def _tell_connection(self, connected: bool) -> None:
        """Tell users of a cache that is lost, and of one that is back."""
        if self._cache is not None and connected == self._cache_lost:
            self._cache_lost = not connected
            level = MessageLevel.INFO if connected else MessageLevel.WARNING
            text = "is back" if connected else "is lost; values are kept here until it is back, and what is polled is not seen"
            self._messages.add("", level, f"the cache at {self._cache.address} {text}")

    def _told(self, key: str, value: CacheValue) -> None:
        self._emit(Event.CACHE, (value.time_s, key, "!" if value.expired else "=", dump(value.value)))

    def _stop_everything(self) -> None:
        """Stop all that moves, but what is left alone by general stops."""
        for device in [one for one in list(self._session.devices.values()) if isinstance(one, Moveable) and not one.ignore_general_stop]:
            try:
                device.stop()
            except ControlError as error:
                self._messages.add(device.name, MessageLevel.ERROR, f"could not be stopped: {error}")

    def _stay_master(self) -> None:
        """Tell by the cache that this daemon owns the instrument."""
        while self._cache is not None:
            self._cache.put("session/master", f"testbeam-daemon-{os.getpid()}", ttl_s=_MASTER_TTL_S, no_store=True)
            if self._ending.wait(_MASTER_S):
                return


class _TellingCache:
    """The cache, with the clients told of what this daemon sets itself: the cache does not."""

    def __init__(self, cache: CacheClient, tell: Any) -> None:
        self._cache, self._tell = cache, tell

    def get(self, key: str) -> CacheValue | None:
        return self._cache.get(key)

    def put(self, key: str, value: Any, *, time_s: float | None = None, ttl_s: float | None = None, no_store: bool = False) -> None:
        self._cache.put(key, value, time_s=time_s, ttl_s=ttl_s, no_store=no_store)
        self._tell(key, CacheValue(value, time.time() if time_s is None else time_s))

    def history(self, key: str, begin_s: float, end_s: float) -> list[CacheValue]:
        return self._cache.history(key, begin_s, end_s)


class _ScanEvents:
    """Tells the clients of scans."""

    def __init__(self, emit: Any) -> None:
        self._emit = emit

    def begin(self, scan: Scan) -> None:
        self._emit(Event.DATASET, scan.for_clients())

    def take(self, scan: Scan, point: Point) -> None:
        data = ([*point.positions, *point.environment], list(point.results))
        self._emit(Event.DATAPOINT, data if scan.points else ())

    def end(self, scan: Scan) -> None:
        """Do nothing: the messages tell."""


_DEVICES = "testbeam.services.control.devices."
_: type[ScanListener] = _ScanEvents
