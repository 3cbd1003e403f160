"""Stacks that are up: who holds them, where they are found, and how others join in."""
