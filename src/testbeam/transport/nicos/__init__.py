"""Client sides of the NICOS protocols: the cache, the daemon."""
