"""Entry of the simulator program: `python -m testbeam.simulators.devices --device power_supply --port 9999`."""

import sys

from testbeam.runtime.program import run
from testbeam.simulators.devices.service import serve
from testbeam.simulators.devices.settings import DeviceSettings

if __name__ == "__main__":
    sys.exit(run("device", DeviceSettings, serve))
