"""A power supply with a load: constant voltage or constant current, ramps, and a trip at its limits.

Source: docs/reference/contracts/ioc.md, "Simulators".
"""

from testbeam.simulators.devices.device import Device, command

_ON = {"on": True, "1": True, "off": False, "0": False}


class PowerSupply(Device):
    """Lines end with LF both ways; unknown requests get no reply."""

    port = 9999
    powered = True
    mode = "CV"
    voltage = 0.0  # set points
    current = 0.0
    resistance = 2.0  # Ω
    noise = 0.01
    ramp = 0.0  # V/s or A/s; 0: at once
    trip_current = 0.0  # A; 0: none
    tripped = False
    output = 0.0  # what is at the output, in V or A after the ramp

    _HELP = "outp:pon? outp:pon outp:mode? outp:mode :volt? :volt :curr? :curr meas:volt? meas:curr? :idn? help"

    def advance(self, seconds: float) -> None:
        """Ramp to the set point, and trip on too high a current."""
        target = (self.voltage if self.mode == "CV" else self.current) if self.powered else 0.0
        step = self.ramp * seconds if self.ramp else abs(target - self.output)
        self.output += max(min(target - self.output, step), -step)
        if self.trip_current and self._amperes() > self.trip_current:
            self.tripped, self.powered, self.output = True, False, 0.0

    def _volts(self) -> float:
        return self.output if self.mode == "CV" else self.output * self.resistance

    def _amperes(self) -> float:
        return self.output / self.resistance if self.mode == "CV" else self.output

    @command(r":idn\?")
    def identify(self) -> str:
        """Say who this is."""
        return "psu-simulator 0.1.0"

    @command(r"outp:pon\?")
    def is_on(self) -> str:
        """Tell whether the output is on."""
        return "ON" if self.powered else "OFF"

    @command(r"outp:pon (\S+)")
    def switch(self, state: str) -> str:
        """Switch the output."""
        if state.lower() not in _ON:
            return "ERR"
        self.powered, self.tripped = _ON[state.lower()], False
        return "OK"

    @command(r"outp:mode\?")
    def get_mode(self) -> str:
        """Tell what is kept constant."""
        return self.mode

    @command(r"outp:mode (\S+)")
    def set_mode(self, mode: str) -> str:
        """Choose what is kept constant."""
        if mode.upper() not in ("CV", "CC"):
            return "ERR"
        self.mode, self.output = mode.upper(), 0.0
        return "OK"

    @command(r":volt\?")
    def get_voltage(self) -> str:
        """Return the set point."""
        return str(self.voltage)

    @command(r":volt (\S+)")
    def set_voltage(self, volts: float) -> str:
        """Set the set point."""
        self.voltage = volts
        return "OK"

    @command(r":curr\?")
    def get_current(self) -> str:
        """Return the set point."""
        return str(self.current)

    @command(r":curr (\S+)")
    def set_current(self, amperes: float) -> str:
        """Set the set point."""
        self.current = amperes
        return "OK"

    @command(r"meas:volt\?")
    def measure_voltage(self) -> str:
        """Measure."""
        return f"{self.noisy(self._volts(), self.noise):.4f}"

    @command(r"meas:curr\?")
    def measure_current(self) -> str:
        """Measure."""
        return f"{self.noisy(self._amperes(), self.noise):.4f}"

    @command(r"help(?: (\S+))?")
    def help(self, word: str) -> str:
        """List the commands."""
        return next((known for known in self._HELP.split() if known == word), self._HELP)
