"""The poller's threads: one for each loaded setup, started anew when it has died, and one that follows what the daemon has loaded."""

import logging
import threading
import time
from typing import Any

from testbeam.errors import SettingsError, TestbeamError
from testbeam.runtime.ready_file import write_ready_file
from testbeam.services.control.commands.command_modules import import_of_setup
from testbeam.services.control.devices.alias import DeviceAlias
from testbeam.services.control.devices.base import Readable
from testbeam.services.control.devices.epics import EpicsDevice
from testbeam.services.control.devices.status import State
from testbeam.services.control.poller.core import Schedule, setups_to_poll
from testbeam.services.control.poller.settings import PROG, PollerSettings
from testbeam.services.control.session import Session
from testbeam.services.control.setups.declared import Setup
from testbeam.services.control.setups.files import read_setups
from testbeam.services.control.setups.places import cache_of_setups, host_and_port
from testbeam.transport.nicos.cache import CacheClient, CacheValue

_LOOK_S = 0.1
_REST_S = 1.0
_MASTERED = "session/mastersetup"
_POLLER = "nicos.services.poller.Poller"
_log = logging.getLogger(PROG)


def poll(settings: PollerSettings, stop: threading.Event) -> None:
    """Read the devices of the setups that the daemon has loaded, for the cache, until told to stop."""
    poller = Poller(settings)
    try:
        poller.run(stop)
    finally:
        poller.close()


class Poller:
    """One poller.

    Raises:
        SettingsError: neither an option nor a setup says where the cache is.
    """

    def __init__(self, settings: PollerSettings) -> None:
        self._settings = settings
        self._setups = read_setups(settings.setups, import_of_setup)
        place = settings.cache or cache_of_setups(self._setups)
        if not place:
            raise SettingsError("cache", "none", "HOST:PORT of the cache")
        own = _own_parameters(self._setups)
        self._always = (*settings.always, *own.get("alwayspoll", ()))
        self._never = (*settings.never, *own.get("neverpoll", ()))
        self._blacklist = {*settings.blacklist, *own.get("blacklist", ())}
        self._changed = threading.Event()
        self._workers: dict[str, Worker] = {}
        self._cache = CacheClient(*host_and_port("cache", place), on_update=self._cache_changed)

    def run(self, stop: threading.Event) -> None:
        """Follow what the daemon has loaded."""
        while not self._cache.wait_connected(_LOOK_S) and not stop.is_set():
            pass
        _log.info("ready: polling for the cache at %s, %d setups known", self._cache.address, len(self._setups))
        write_ready_file(self._settings.ready_file)
        while not stop.is_set():
            self._follow()
            self._changed.wait(_LOOK_S)
            self._changed.clear()

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers.values():
            worker.stop()
        for worker in self._workers.values():
            worker.join()
        self._cache.close()

    def _cache_changed(self, key: str, value: CacheValue) -> None:  # noqa: ARG002 — the form of a callback
        if key == _MASTERED or key.endswith("/alias"):
            self._changed.set()
        for worker in list(self._workers.values()):
            worker.parameter_changed(key)

    def _follow(self) -> None:
        """Have one living worker for each setup to poll."""
        mastered = self._cache.get(_MASTERED)
        names = list(mastered.value) if mastered is not None and isinstance(mastered.value, list | tuple) else []
        wanted = setups_to_poll(names, set(self._setups), self._always, self._never)
        for name in [name for name in self._workers if name not in wanted]:
            self._workers.pop(name).stop()
        for name in wanted:
            worker = self._workers.get(name)
            if worker is not None and not worker.is_alive():
                if time.monotonic() < worker.begun_s + _REST_S:
                    continue  # one that dies at once is not to be started ten times a second
                _log.error("the worker of setup %s has died; it is started anew", name)
                worker = None
            if worker is None:
                worker = Worker(name, self._setups, self._cache, self._blacklist)
                worker.start()
                self._workers[name] = worker


class Worker(threading.Thread):
    """Polls the devices of one setup in a session of its own, which only reads."""

    def __init__(self, setup: str, setups: dict[str, Setup], cache: CacheClient, blacklist: set[str]) -> None:
        super().__init__(name=f"poller-{setup}", daemon=True)
        self.begun_s = time.monotonic()
        self._setup = setup
        self._cache = cache
        self._blacklist = blacklist
        self._stop_asked = threading.Event()
        self._session = Session(setups, cache, _Log(), writes=False)
        self._schedule = Schedule()
        self._soon: set[str] = set()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """End soon."""
        self._stop_asked.set()
        self._session.woken.set()

    def parameter_changed(self, key: str) -> None:
        """Take over a parameter that somebody has changed, so that the next poll goes by it."""
        name, _, word = key.partition("/")
        for device in list(self._session.devices.values()):
            if device.key == name and word in device.all_parameters and device.all_parameters[word].settable:
                value = self._cache.get(key)
                if value is not None and word not in ("classes",):
                    device.__dict__["_values"][word] = value.value

    def run(self) -> None:
        """Poll until told to stop."""
        try:
            self._make_devices()
            while not self._stop_asked.is_set():
                self._step()
        except Exception:  # the workers of other setups go on
            if not self._stop_asked.is_set():
                _log.exception("the worker of setup %s ends by an error that was not foreseen", self._setup)
        finally:
            self._session.close()

    def _make_devices(self) -> None:
        try:
            self._session.load([self._setup])
        except TestbeamError as error:
            _log.warning("setup %s: %s", self._setup, error)
        own = [name for name, setup in self._session.setup_of.items() if setup == self._setup and name not in self._blacklist]
        for name in own:
            self._add(name)
        self._missing = [name for name in own if name not in self._session.devices and name not in self._session.unknown_classes]

    def _add(self, name: str) -> None:
        device = self._session.find_device(name)
        if not isinstance(device, Readable) or isinstance(device, DeviceAlias):
            return
        self._schedule.add(name, device.pollinterval, time.monotonic())
        if isinstance(device, EpicsDevice) and device.monitor:
            for word in device.pv_parameters:
                if getattr(device, word, ""):
                    device.pvs.watch(getattr(device, word), lambda _snapshot, name=name: self._note(name))  # type: ignore[misc]

    def _note(self, name: str) -> None:
        with self._lock:
            self._soon.add(name)
        self._session.woken.set()

    def _step(self) -> None:
        self._session.woken.clear()
        with self._lock:
            changed, self._soon = self._soon, set()
        now_s = time.monotonic()
        for name in changed:
            self._schedule.soon(name, now_s)
        for name in self._schedule.due(now_s):
            if not self._stop_asked.is_set():
                self._poll(name)
        self._make_missing(now_s)
        due_s = self._schedule.next_s()
        self._session.woken.wait(min(max((due_s or now_s + 1) - time.monotonic(), 0.0), 1.0))

    def _poll(self, name: str) -> None:
        device: Any = self._session.devices[name]
        try:
            status, _ = device.poll()
        except TestbeamError as error:
            self._cache.put(f"{device.key}/status", (int(State.ERROR), str(error)))
            self._schedule.done(name, time.monotonic(), failed=True)
        else:
            self._schedule.done(name, time.monotonic(), busy=status[0] == State.BUSY)

    def _make_missing(self, now_s: float) -> None:
        """Try again, at the usual interval, to make devices that could not be made."""
        if not self._missing or now_s < getattr(self, "_next_try_s", 0.0):
            return
        self._next_try_s = now_s + 2.0
        for name in tuple(self._missing):
            try:
                self._session.get_device(name)
            except TestbeamError:
                continue
            self._missing.remove(name)
            self._add(name)


class _Log:
    def say(self, name: str, level: int, text: str) -> None:
        _log.log(min(level, logging.ERROR), "%s: %s", name, text)


def _own_parameters(setups: dict[str, Setup]) -> dict[str, Any]:
    """Return what the setup `poller` says."""
    setup = setups.get("poller")
    found = (config for config in (setup.devices if setup is not None else {}).values() if config is not None)
    return next((dict(config.parameters) for config in found if config.class_name == _POLLER), {})
