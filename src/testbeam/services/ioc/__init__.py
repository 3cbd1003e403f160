"""A real EPICS base IOC from `.db` files, serving Channel Access and PV Access on one loopback address."""
