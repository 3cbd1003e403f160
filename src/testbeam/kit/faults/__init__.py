"""Faults of a running stack, one a file, each undone at the end of its block."""
