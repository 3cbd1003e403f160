"""Detectors and the channels they consist of: timers, counters, images; counted together until a preset is reached.

A channel that is given a preset is a master: counting ends when one of the masters has its own.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError
from testbeam.services.control.devices.base import Readable
from testbeam.services.control.devices.epics import EpicsDevice
from testbeam.services.control.devices.params import Param, none_or, number, one_of, texts
from testbeam.services.control.devices.status import State, Status, worst

TIME_WORDS = ("t", "time", "timer")


class Channel(Readable):
    """One value that is counted."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "preselection": Param(description="the preset of a master", type=none_or(number), default=None, settable=True),
        "ismaster": Param(description="whether it ends the counting", type=bool, default=False, settable=True),
        "type": Param(description="what it counts", type=one_of("counter", "monitor", "timer", "other", "image"), default="counter"),
        "fmtstr": Param(description="how the value is shown", type=str, default="%d", settable=True),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos.core.device.Readable", "nicos.devices.generic.detector.ActiveChannel")

    def start(self, preset: float | None) -> None:
        """Count from zero, as master up to a preset."""
        self._values["ismaster"] = preset is not None
        self._values["preselection"] = preset
        if not self.host.simulated:
            self.do_start()

    def do_start(self) -> None:
        """Begin to count."""
        raise NotImplementedError

    def finish(self) -> None:
        """End the counting; what is counted stays."""

    def pause(self) -> bool:
        """Count no more for now; return whether it can."""
        return False

    def resume(self) -> None:
        """Count on."""

    def is_completed(self) -> bool:
        """Tell whether a master has its preset."""
        return self.preselection is not None and float(self.do_read()) >= self.preselection

    def counted(self) -> Any:
        """Return what is counted, for a point of a scan."""
        return self.simulated_value() if self.host.simulated else self.read(0)


class _ClockedChannel(Channel):
    """A channel that knows for how long it has counted."""

    def init(self) -> None:
        """Stand at zero."""
        super().init()
        self._counted_s = 0.0
        self._since_s: float | None = None

    def do_start(self) -> None:
        """Begin to count."""
        self._counted_s, self._since_s = 0.0, self.host.now_s()

    def finish(self) -> None:
        """End the counting."""
        self._counted_s, self._since_s = self.elapsed_s, None

    def pause(self) -> bool:
        """Count no more for now."""
        self.finish()
        return True

    def resume(self) -> None:
        """Count on."""
        self._since_s = self.host.now_s()

    @property
    def elapsed_s(self) -> float:
        """Return for how long it has counted."""
        running_s = self.host.now_s() - self._since_s if self._since_s is not None else 0.0
        return float(self._counted_s + running_s)

    def do_status(self) -> Status:
        """Return BUSY while it counts."""
        return (State.BUSY, "counting") if self._since_s is not None else (State.OK, "idle")


class VirtualTimer(_ClockedChannel):
    """A clock."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "type": Param(description="what it counts", type=texts, default="timer"),
        "unit": Param(description="unit of the value", type=str, default="s"),
        "fmtstr": Param(description="how the value is shown", type=str, default="%.2f", settable=True),
    }
    field_names: ClassVar[tuple[str, ...]] = (
        "nicos.devices.generic.virtual.VirtualTimer",
        "nicos.devices.generic.detector.TimerChannelMixin",
    )

    def do_read(self) -> float:
        """Return the time, a master's never above its preset."""
        return min(self.elapsed_s, self.preselection) if self.preselection is not None else self.elapsed_s


class VirtualCounter(_ClockedChannel):
    """A counter of `countrate` a second, with the noise of counting; the same seed gives the same counts."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "countrate": Param(description="counts a second", type=number, default=1000.0, settable=True, unit="1/s"),
        "gentype": Param(description="kept for old setups", default=None),
        "seed": Param(description="of the noise", type=int, default=0),
        "unit": Param(description="unit of the value", type=str, default="cts"),
    }
    field_names: ClassVar[tuple[str, ...]] = (
        "nicos.devices.generic.virtual.VirtualCounter",
        "nicos.devices.generic.detector.CounterChannelMixin",
    )

    def init(self) -> None:
        """Seed the noise by the name, so that two counters differ."""
        super().init()
        self._random = random.Random(f"{self.name}{self.seed}")
        self._noise = 0.0

    def do_start(self) -> None:
        """Draw the noise of this counting."""
        self._noise = self._random.gauss(0.0, 1.0)
        super().do_start()

    def do_read(self) -> int:
        """Return the counts."""
        mean = self.countrate * self.elapsed_s
        counts = max(round(mean + self._noise * mean**0.5), 0)
        return int(min(counts, round(self.preselection)) if self.preselection is not None else counts)


class EpicsCounter(EpicsDevice, Channel):
    """A channel of an EPICS counter: a PV of counts, started and stopped by PVs where the detector does not do so."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "readpv": Param(description="PV of the counts", type=str, mandatory=True),
        "startpv": Param(description="PV that a 1 is written to for a start", type=str, default=""),
        "stoppv": Param(description="PV that a 1 is written to for a stop", type=str, default=""),
        "presetpv": Param(description="PV of the preset", type=str, default=""),
        "statuspv": Param(description="PV that is not 0 while it counts", type=str, default=""),
        "relative": Param(description="whether counts are those since the start", type=bool, default=True),
    }
    pv_parameters: ClassVar[tuple[str, ...]] = ("readpv", "statuspv")
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.pva.EpicsCounter",)

    def init(self) -> None:
        """Watch the PVs."""
        self._zero = 0.0
        self._final: float | None = None
        super().init()

    def do_start(self) -> None:
        """Write the preset and the start; take the counts of now for zero."""
        self._zero, self._final = (self._pv() if self.relative else 0.0), None
        if self.presetpv and self.preselection is not None:
            self.put("presetpv", self.preselection)
        if self.startpv:
            self.put("startpv", 1)

    def finish(self) -> None:
        """Write the stop and keep what is counted."""
        if self.stoppv:
            self.put("stoppv", 1)
        self._final = self._pv() - self._zero

    def do_read(self) -> float:
        """Return the counts since the start."""
        return float(self._pv() - self._zero if self._final is None else self._final)

    def is_completed(self) -> bool:
        """Tell whether the preset is reached, or the record counts no more."""
        if self.statuspv and self.ismaster:
            reading = self.get("statuspv").reading
            return reading is not None and not reading.value
        return super().is_completed()

    def _pv(self) -> float:
        reading = self.get("readpv").reading
        if reading is None or not isinstance(reading.value, int | float):
            raise DeviceError(f"{self.name}: {self.readpv} has no number")
        return float(reading.value)


class Detector(Readable):
    """Channels that count together."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "liveinterval": Param(description="how often live data are told", type=none_or(number), default=None, settable=True, unit="s"),
        "saveintervals": Param(description="when data are saved in between", default=(), settable=True),
        "postprocess": Param(description="kept for old setups", default=()),
        "fmtstr": Param(description="how the value is shown", type=str, default="%s"),
    }
    attached: ClassVar[Mapping[str, bool]] = {
        "timers": True,
        "monitors": True,
        "counters": True,
        "images": True,
        "others": True,
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos.devices.generic.detector.Detector", "nicos.core.device.Measurable")

    def __init__(self, *arguments: Any) -> None:
        self._preset: dict[str, float] = {}
        self._counting = False
        super().__init__(*arguments)

    @property
    def channels(self) -> list[Channel]:
        """Return all channels: timers, monitors, counters, images, others."""
        return [one for word in self.attached for one in self.attached_devices[word] if isinstance(one, Channel)]

    def presets_for(self, preset: Mapping[str, float]) -> dict[str, float]:
        """Return, by the channel's name, the presets that are for this detector.

        Names are those of channels, `t`, `time` or `timer` for the first timer, `monN` and `ctrN` by their order.
        """
        names = {channel.name: channel for channel in self.channels}
        timers = self.attached_devices["timers"]
        aliases = {word: timers[0].name for word in TIME_WORDS if timers}
        aliases |= {f"mon{n}": one.name for n, one in enumerate(self.attached_devices["monitors"], 1)}
        aliases |= {f"ctr{n}": one.name for n, one in enumerate(self.attached_devices["counters"], 1)}
        return {aliases.get(word, word): value for word, value in preset.items() if word in names or word in aliases}

    def start(self, preset: Mapping[str, float]) -> None:
        """Count all channels from zero."""
        self._preset = self.presets_for(preset)
        self._counting = True
        self.host.cache.put(f"{self.key}/status", (int(State.BUSY), "counting"))
        for channel in self.channels:
            channel.start(self._preset.get(channel.name))

    def is_completed(self) -> bool:
        """Tell whether a master has its preset; without any it ends with the others."""
        masters = [channel for channel in self.channels if channel.ismaster]
        return not masters or any(channel.is_completed() for channel in masters)

    @property
    def has_master(self) -> bool:
        """Tell whether anything ends this detector's counting."""
        return bool(self._preset)

    def pause(self) -> bool:
        """Count no more for now; return whether every channel can."""
        paused = [channel.pause() for channel in self.channels]  # each is asked, also after one that can't
        return all(paused)

    def resume(self) -> None:
        """Count on."""
        for channel in self.channels:
            channel.resume()

    def finish(self) -> None:
        """End the counting of all channels, also where one fails."""
        self._counting = False
        errors = []
        for channel in self.channels:
            try:
                channel.finish()
            except DeviceError as error:
                errors.append(str(error))
        self.host.cache.put(f"{self.key}/status", (int(State.OK), "idle"))
        if errors:
            raise DeviceError("; ".join(errors))

    stop = finish

    def counted(self) -> list[Any]:
        """Return what all channels have counted."""
        return [channel.counted() for channel in self.channels]

    def do_read(self) -> list[Any]:
        """Return what all channels show."""
        return [channel.read(0) for channel in self.channels]

    def do_status(self) -> Status:
        """Return the worst status of the channels."""
        return worst(*(channel.status(0) for channel in self.channels))

    def value_info(self) -> list[tuple[str, str]]:
        """Return name and unit of each channel."""
        return [(channel.name, channel.unit) for channel in self.channels]

    def seconds_for(self, preset: Mapping[str, float]) -> float:
        """Return how long counting takes, as far as the preset tells."""
        wanted, found = self.presets_for(preset), []
        for channel in self.channels:
            if channel.name in wanted:
                rate = getattr(channel, "countrate", None) or 1.0
                found.append(wanted[channel.name] if channel.type == "timer" else wanted[channel.name] / rate)
        return min(found, default=0.0)

    def info(self) -> Iterator[tuple[str, str]]:
        """Yield the presets of the last counting."""
        for name, value in self._preset.items():
            yield f"preset {name}", f"{value:g}"


def presets(words: Iterable[Any], named: Mapping[str, Any]) -> dict[str, float]:
    """Return the presets of a count or scan: a bare number is a time.

    Raises:
        DeviceError: one is no number above zero.
    """
    found: dict[str, Any] = dict(named)
    for word in words:
        found["t"] = word
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise DeviceError(f"preset {name}={value!r} is no number from 0")
    return {name: float(value) for name, value in found.items()}
