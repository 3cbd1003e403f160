"""Instrument control that speaks NICOS: cache, poller, collector and daemon, over setups, devices and commands."""
