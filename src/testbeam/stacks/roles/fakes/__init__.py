"""Roles fake_monitors, fake_detectors and fake_logdata: seeded data of an instrument."""
