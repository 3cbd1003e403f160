"""A disc chopper: it spins up, locks to a phase, brakes, and parks at an angle.

Requests end with LF: `SPEED?`, `SPEED hz`, `PHASE?`, `PHASE degrees`, `START`, `STOP`, `PARK angle`, `STATE?` (stopped, accelerating,
locked, phasing, braking, parked), `LOCK?`.
Source: docs/reference/contracts/ioc.md, "Simulators".
"""

from testbeam.simulators.devices.device import Device, command


class Chopper(Device):
    """Speeds in Hz, phases and angles in degrees."""

    port = 9997
    set_speed = 14.0
    speed = 0.0
    acceleration = 7.0  # Hz/s
    set_phase = 0.0
    phase = 0.0
    phase_rate = 30.0  # degrees/s
    phase_noise = 0.02
    tolerance = 0.5
    state_name = "stopped"
    park_angle = 0.0
    angle = 0.0
    running = False

    def advance(self, seconds: float) -> None:
        """Change speed first, then phase."""
        wanted = self.set_speed if self.running else 0.0
        step = self.acceleration * seconds
        self.speed += max(min(wanted - self.speed, step), -step)
        self.angle = (self.angle + 360.0 * self.speed * seconds) % 360.0
        if self.speed != wanted:
            self.state_name = "accelerating" if wanted > self.speed else "braking"
        elif self.running:
            self._lock(seconds)
        elif self.state_name == "braking":
            self.state_name = "stopped"

    def _lock(self, seconds: float) -> None:
        away = self.set_phase - self.phase
        step = self.phase_rate * seconds
        self.phase += max(min(away, step), -step)
        self.state_name = "locked" if abs(self.set_phase - self.phase) <= self.tolerance else "phasing"

    @command(r"SPEED\?")
    def get_speed(self) -> str:
        """Return the speed of now."""
        return f"{self.speed:.3f}"

    @command(r"SPEED (\S+)")
    def change_speed(self, speed: float) -> str:
        """Set the speed."""
        if not 0 <= speed <= 350:
            return "ERR"
        self.set_speed = speed
        return "OK"

    @command(r"PHASE\?")
    def get_phase(self) -> str:
        """Return the phase of now."""
        return f"{self.noisy(self.phase, self.phase_noise):.3f}"

    @command(r"PHASE (\S+)")
    def change_phase(self, phase: float) -> str:
        """Set the phase."""
        self.set_phase = phase % 360.0
        return "OK"

    @command(r"START")
    def start(self) -> str:
        """Spin up."""
        self.running = True
        return "OK"

    @command(r"STOP")
    def stop(self) -> str:
        """Brake."""
        self.running = False
        return "OK"

    @command(r"PARK (\S+)")
    def park(self, angle: float) -> str:
        """Turn to an angle; only a disc that stands can be parked."""
        if self.running or self.speed:
            return "ERR spinning"
        self.park_angle = self.angle = angle % 360.0
        self.state_name = "parked"
        return "OK"

    @command(r"STATE\?")
    def get_state(self) -> str:
        """Return what it is doing."""
        return self.state_name

    @command(r"LOCK\?")
    def is_locked(self) -> str:
        """Tell whether speed and phase are as set."""
        return str(int(self.state_name == "locked"))
