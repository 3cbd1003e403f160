"""Instruments as data files: what detectors, monitors, cameras and logs they have, under which names and on which topics."""
