"""A camera: exposure, gain, frames with a seeded spot on noise, one at a time or continuously.

Requests end with LF: `EXP?`, `EXP seconds`, `GAIN?`, `GAIN n`, `SIZE?` (width,height), `ACQ n` (0: until STOP), `STOP`, `STATE?` (idle,
acquiring), `COUNT?`, `FRAME?` (`#<number of digits><bytes>` and 16-bit pixels, little endian, row by row), `STAT?` (mean,max,x,y).
Source: docs/reference/contracts/ioc.md, "Simulators".
"""

import math
import struct

from testbeam.simulators.devices.device import Device, command


class AreaDetector(Device):
    """Exposures in s, positions in pixels."""

    port = 9995
    width = 32
    height = 24
    exposure = 0.1
    gain = 1
    wanted = 0  # frames of this acquisition; 0: no limit
    taken = 0
    acquiring = False
    elapsed = 0.0
    spot_x = 16.0
    spot_y = 12.0
    spot_width = 3.0
    brightness = 2000.0  # counts per second at the centre
    background = 20.0

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._frame = [0] * (self.width * self.height)

    def advance(self, seconds: float) -> None:
        """Take a frame whenever its exposure is over."""
        if not self.acquiring:
            return
        self.elapsed += seconds
        while self.acquiring and self.elapsed >= self.exposure:
            self.elapsed -= self.exposure
            self._expose()
            self.taken += 1
            self.acquiring = self.wanted == 0 or self.taken < self.wanted

    def _expose(self) -> None:
        scale = self.exposure * self.gain
        self._frame = [
            min(max(round(self.random.gauss(mean := scale * self._light(x, y), math.sqrt(mean + 1e-9))), 0), 0xFFFF)
            for y in range(self.height)
            for x in range(self.width)
        ]

    def _light(self, x: int, y: int) -> float:
        distance = ((x - self.spot_x) ** 2 + (y - self.spot_y) ** 2) / (2 * self.spot_width**2)
        return self.background + self.brightness * math.exp(-min(distance, 700.0))

    @command(r"EXP\?")
    def get_exposure(self) -> str:
        """Return the exposure."""
        return f"{self.exposure:.6f}"

    @command(r"EXP (\S+)")
    def change_exposure(self, seconds: float) -> str:
        """Set the exposure."""
        if not 1e-4 <= seconds <= 3600:
            return "ERR"
        self.exposure = seconds
        return "OK"

    @command(r"GAIN\?")
    def get_gain(self) -> str:
        """Return the gain."""
        return str(self.gain)

    @command(r"GAIN (\d+)")
    def change_gain(self, gain: int) -> str:
        """Set the gain."""
        self.gain = gain
        return "OK"

    @command(r"SIZE\?")
    def get_size(self) -> str:
        """Return width and height."""
        return f"{self.width},{self.height}"

    @command(r"ACQ (\d+)")
    def acquire(self, frames: int) -> str:
        """Begin to take frames."""
        self.wanted, self.taken, self.elapsed, self.acquiring = frames, 0, 0.0, True
        return "OK"

    @command(r"STOP")
    def stop(self) -> str:
        """End the acquisition; the frame that is being exposed is lost."""
        self.acquiring = False
        return "OK"

    @command(r"STATE\?")
    def get_state(self) -> str:
        """Tell whether frames are taken."""
        return "acquiring" if self.acquiring else "idle"

    @command(r"COUNT\?")
    def get_count(self) -> str:
        """Return the number of frames of this acquisition."""
        return str(self.taken)

    @command(r"FRAME\?")
    def get_frame(self) -> bytes:
        """Return the last frame."""
        data = struct.pack(f"<{len(self._frame)}H", *self._frame)
        return b"#%d%d" % (len(str(len(data))), len(data)) + data

    @command(r"STAT\?")
    def statistics(self) -> str:
        """Return mean and maximum, and where the maximum is."""
        brightest = max(range(len(self._frame)), key=self._frame.__getitem__)
        mean = sum(self._frame) / len(self._frame)
        return f"{mean:.3f},{self._frame[brightest]},{brightest % self.width},{brightest // self.width}"
