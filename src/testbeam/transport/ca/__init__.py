"""A small synchronous Channel Access client that speaks to one given address: no libca, no EPICS variables, no thread."""
