"""Fake beam monitors: seeded events (ev44) or histograms (da00) of an instrument's monitors."""
