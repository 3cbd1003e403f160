"""Generic readiness probes: one class a file, composed by `all_of`."""
