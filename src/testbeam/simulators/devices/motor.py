"""A motor with limit switches, backlash, a home switch, and a shaft that may be stuck.

Requests end with CR LF: `POS?`, `MOVE position`, `REL distance`, `STOP`, `HOME`, `VELO?`, `VELO speed`, `STAT?` (moving, low limit, high
limit, homed, stalled as 0 or 1), `RESET`.
Source: docs/reference/contracts/ioc.md, "Simulators".
"""

from testbeam.simulators.devices.device import Device, command


class Motor(Device):
    """Positions in mm, speeds in mm/s."""

    port = 9998
    terminator = "\r\n"
    position = 0.0
    target = 0.0
    velocity = 5.0
    low_limit = -100.0
    high_limit = 100.0
    backlash = 0.0  # lost at each change of direction
    stuck = False
    moving = False
    stalled = False
    homed = False
    homing = False
    play = 0.0  # of the backlash, taken up so far
    direction = 1

    def advance(self, seconds: float) -> None:
        """Move by what the speed allows; stop at a limit switch, stall when stuck."""
        if not self.moving:
            return
        if self.stuck:
            self.moving, self.stalled = False, True
            return
        step = self.velocity * seconds
        away = self.target - self.position
        wanted = 1 if away >= 0 else -1
        if wanted != self.direction:
            self.direction, self.play = wanted, self.backlash
        lost = min(self.play, step)
        self.play -= lost
        self.position += max(min(away, step - lost), -(step - lost))
        self._stop_where_due()

    def _stop_where_due(self) -> None:
        limit = min(max(self.position, self.low_limit), self.high_limit)
        if limit != self.position or abs(self.position - self.target) < 1e-9:
            self.position, self.moving = limit, False
            if self.homing:
                self.homing, self.homed, self.position = False, True, 0.0

    def _go(self, target: float) -> str:
        self.target, self.moving, self.stalled = target, True, False
        return "OK"

    @command(r"POS\?")
    def get_position(self) -> str:
        """Return where it is."""
        return f"{self.position:.4f}"

    @command(r"MOVE (\S+)")
    def move(self, target: float) -> str:
        """Start to a place."""
        return self._go(target)

    @command(r"REL (\S+)")
    def move_by(self, distance: float) -> str:
        """Start by a distance."""
        return self._go(self.position + distance)

    @command(r"STOP")
    def stop(self) -> str:
        """Stop."""
        self.moving = self.homing = False
        return "OK"

    @command(r"HOME")
    def home(self) -> str:
        """Go to the home switch, which becomes 0."""
        self.homing, self.homed = True, False
        return self._go(0.0)

    @command(r"VELO\?")
    def get_velocity(self) -> str:
        """Return the speed."""
        return f"{self.velocity:.4f}"

    @command(r"VELO (\S+)")
    def set_velocity(self, velocity: float) -> str:
        """Set the speed."""
        if velocity <= 0:
            return "ERR"
        self.velocity = velocity
        return "OK"

    @command(r"STAT\?")
    def status(self) -> str:
        """Return all flags."""
        at_low, at_high = self.position <= self.low_limit, self.position >= self.high_limit
        return ",".join(str(int(flag)) for flag in (self.moving, at_low, at_high, self.homed, self.stalled))

    @command(r"RESET")
    def reset(self) -> str:
        """Forget a stall."""
        self.stalled = self.stuck = False
        return "OK"
