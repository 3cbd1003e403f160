"""A temperature controller: a heater with power limits, a PID loop, a sample that cools to its surroundings, a sensor that may break.

Requests end with CR LF: `KRDG? input`, `SETP? loop`, `SETP loop,kelvin`, `HTR? loop`, `RANGE? loop`, `RANGE loop,n`, `PID? loop`,
`PID loop,p,i,d`, `RAMP loop,on,rate`, `*IDN?`.
Source: docs/reference/contracts/ioc.md, "Simulators".
"""

from testbeam.simulators.devices.device import Device, command

_POWER_W = {0: 0.0, 1: 1.0, 2: 10.0, 3: 100.0}


class TemperatureController(Device):
    """Temperatures in K, powers in W."""

    port = 9996
    terminator = "\r\n"
    temperature = 293.0
    surroundings = 293.0
    set_point = 293.0
    working_point = 293.0  # where a ramp is
    ramp_rate = 0.0  # K/min; 0: no ramp
    heater_range = 3
    heater_percent = 0.0
    capacity = 20.0  # J/K
    conductance = 0.2  # W/K
    cooling = 0.0  # W
    p = 50.0
    i = 20.0
    d = 0.0
    integral = 0.0
    noise = 0.002
    sensor_broken = False

    def advance(self, seconds: float) -> None:
        """Let the loop regulate, and heat flow."""
        rate = self.ramp_rate / 60.0 * seconds if self.ramp_rate else abs(self.set_point - self.working_point)
        self.working_point += max(min(self.set_point - self.working_point, rate), -rate)
        error = self.working_point - self.temperature
        limit = 1000.0 / self.i if self.i else 0.0
        self.integral = max(min(self.integral + error * seconds, limit), -limit)
        self.heater_percent = min(max(self.p * error / 10.0 + self.i * self.integral / 10.0, 0.0), 100.0)
        heating = self.heater_percent / 100.0 * _POWER_W[self.heater_range]
        flow = heating - self.cooling - self.conductance * (self.temperature - self.surroundings)
        self.temperature = max(self.temperature + flow / self.capacity * seconds, 0.0)

    @command(r"\*IDN\?")
    def identify(self) -> str:
        """Say who this is."""
        return "TESTBEAM,TC-SIMULATOR,0,1.0"

    @command(r"KRDG\?\s*([AB]?)")
    def read(self, _: str) -> str:
        """Return the temperature; a broken sensor reads 0."""
        return f"{0.0 if self.sensor_broken else self.noisy(self.temperature, self.noise):+.4f}"

    @command(r"SETP\?\s*(\d?)")
    def get_set_point(self, _: str) -> str:
        """Return the set point."""
        return f"{self.set_point:+.4f}"

    @command(r"SETP (\d),\s*(\S+)")
    def change_set_point(self, _: int, kelvin: float) -> None:
        """Set the set point; there is no reply."""
        self.set_point = max(kelvin, 0.0)

    @command(r"HTR\?\s*(\d?)")
    def get_heater(self, _: str) -> str:
        """Return the heater's power in percent of its range."""
        return f"{self.heater_percent:+.2f}"

    @command(r"RANGE\?\s*(\d?)")
    def get_range(self, _: str) -> str:
        """Return the heater's range."""
        return str(self.heater_range)

    @command(r"RANGE (\d),\s*(\d)")
    def change_range(self, _: int, number: int) -> None:
        """Set the heater's range; there is no reply."""
        self.heater_range = min(number, 3)

    @command(r"PID\?\s*(\d?)")
    def get_pid(self, _: str) -> str:
        """Return the parameters of the loop."""
        return f"{self.p:+.1f},{self.i:+.1f},{self.d:+.1f}"

    @command(r"PID (\d),\s*([^,\s]+),\s*([^,\s]+),\s*([^,\s]+)")
    def change_pid(self, _: int, p: float, i: float, d: float) -> None:
        """Set the parameters of the loop; there is no reply."""
        self.p, self.i, self.d, self.integral = p, i, d, 0.0

    @command(r"RAMP (\d),\s*([01]),\s*(\S+)")
    def change_ramp(self, _: int, on: int, rate: float) -> None:
        """Switch the ramp; there is no reply."""
        self.ramp_rate = rate if on else 0.0
        self.working_point = self.temperature
