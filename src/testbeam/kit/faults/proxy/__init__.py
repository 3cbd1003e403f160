"""Proxy process between a service and its clients, which breaks their link as it is told."""
