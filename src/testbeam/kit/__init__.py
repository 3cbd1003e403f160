"""How a stack of services is declared, started, watched and stopped; it knows command lines and probes, never a service."""
