"""The two protocols of NICOS, as bytes and values: the cache's lines, the daemon's frames."""
