"""The poller: reads the devices of the loaded setups for the cache, so that everybody else sees them change."""
