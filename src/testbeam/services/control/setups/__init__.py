"""Setups: Python files that name devices, read in the manner of the field."""
