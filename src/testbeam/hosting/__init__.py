"""Stacks that stay up: hosted by a process, found in a registry, joined by others."""
