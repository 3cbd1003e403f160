"""Questions asked in the protocols of a beamline, for services that are not ours: one class a file."""
