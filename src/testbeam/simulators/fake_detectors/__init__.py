"""Fake detectors: seeded events (ev44) of an instrument's detectors, or images (ad00) of its cameras."""
