"""A whole neutron beamline's software on one machine, and the tests that prove it."""

__version__ = "0.1.0"
