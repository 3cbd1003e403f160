"""The kit: stacks of services declared, started, watched, broken and stopped; it knows command lines and probes, never a service."""
