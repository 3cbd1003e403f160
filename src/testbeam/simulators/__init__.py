"""Seeded simulators of what a beamline has: neutrons, devices."""
