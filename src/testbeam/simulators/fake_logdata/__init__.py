"""Fake logs: values (f144) of an instrument's PVs that go up and down."""
