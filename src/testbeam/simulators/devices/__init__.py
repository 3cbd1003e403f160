"""Simulators of devices that speak over TCP or a serial line: seeded, in virtual time, with faults, and a backdoor to their state.

A simulator of one's own is a class of `Device` with methods marked by `command`;
`python -m testbeam.simulators.devices --device FILE.py:CLASS` runs it.
"""

from testbeam.simulators.devices.device import Device, command

__all__ = ["Device", "command"]
