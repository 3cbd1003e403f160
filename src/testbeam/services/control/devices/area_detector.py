"""An area detector behind EPICS: its acquisition as a channel that is counted with others; images go their own way, by the forwarder.

The counter of images goes to zero some time after the start, or not at all: until it has changed, it tells of the acquisition before.

Source: docs/reference/control-commands.md, "Area detectors".
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.services.control.devices.detector import Channel
from testbeam.services.control.devices.epics import EpicsDevice
from testbeam.services.control.devices.params import Param, none_or, number
from testbeam.services.control.devices.status import State, Status
from testbeam.transport.pv_watch import PvSnapshot

_FIELDS = {
    "readpv": "NumImagesCounter_RBV",
    "acquirepv": "Acquire",
    "acquiringpv": "Acquire_RBV",
    "imagespv": "NumImages",
    "modepv": "ImageMode",
    "exposurepv": "AcquireTime",
    "sizexpv": "SizeX_RBV",
    "sizeypv": "SizeY_RBV",
}


class AreaDetector(EpicsDevice, Channel):
    """Counts images."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "pv_root": Param(description="what the names of its PVs begin with", type=str, mandatory=True),
        "acquiretime": Param(description="exposure of an image", type=none_or(number), default=None, settable=True, unit="s"),
        "ad_kafka_topic": Param(description="topic of its images", type=str, default="", internal=True),
        "ad_kafka_source": Param(description="source name of its images", type=str, default="", internal=True),
        "type": Param(description="what it counts", type=str, default="image"),
        **{word: Param(description=f"PV in place of {field}", type=str, default="", internal=True) for word, field in _FIELDS.items()},
    }
    pv_parameters: ClassVar[tuple[str, ...]] = ("readpv", "acquiringpv")
    field_names: ClassVar[tuple[str, ...]] = (
        "nicos_ess.devices.epics.area_detector.AreaDetector",
        "nicos.devices.generic.detector.ImageChannelMixin",
    )

    def init(self) -> None:
        """Name the PVs and watch them."""
        for word, field in _FIELDS.items():
            if not self._values[word]:
                self._values[word] = f"{self.pv_root}{field}"
        self._before, self._zero, self._is_old = 0.0, 0.0, False
        super().init()

    def changed(self, snapshot: PvSnapshot) -> None:
        """Note the first change of the counter since the start: it went to zero, or it goes on from where it was."""
        reading = snapshot.reading
        if self._is_old and snapshot.name == self.readpv and reading is not None and isinstance(reading.value, int | float):
            self._zero = self._before if reading.value > self._before else 0.0
            self._is_old = False
        super().changed(snapshot)

    def do_start(self) -> None:
        """Acquire: as many images as the preset says, without one until the end of the counting."""
        if self.acquiretime:
            self.put("exposurepv", self.acquiretime, wait=True)
        if self.preselection is not None:
            self.put("modepv", 1, wait=True)
            self.put("imagespv", int(self.preselection), wait=True)
        else:
            self.put("modepv", 2, wait=True)
        self._before, self._zero = self._counter(), 0.0
        self._is_old = self._before != 0
        self.put("acquirepv", 1)

    def finish(self) -> None:
        """Stop acquiring."""
        if self._flag():
            self.put("acquirepv", 0)

    def do_read(self) -> float:
        """Return how many images there are since the start."""
        counted = self._counter()
        return 0.0 if self._is_old else counted - self._zero

    def do_status(self) -> Status:
        """Return BUSY while it acquires."""
        state, text = self.alarm_status()
        return (State.BUSY, "acquiring") if state != State.ERROR and self._flag() else (state, text)

    def get_array_size(self, topic: str, source: str) -> list[int]:
        """Return the image's height and width, for the structure of a file."""
        if topic != self.ad_kafka_topic or source != self.ad_kafka_source:
            return []
        readings: list[Any] = [self.get(word).reading for word in ("sizeypv", "sizexpv")]
        return [int(one.value) for one in readings if one is not None]

    def _counter(self) -> float:
        reading = self.get("readpv").reading
        return float(reading.value) if reading is not None and isinstance(reading.value, int | float) else 0.0

    def _flag(self) -> bool:
        reading = self.get("acquiringpv").reading
        return reading is not None and bool(reading.value)
