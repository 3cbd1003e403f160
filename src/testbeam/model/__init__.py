"""Frozen values at the seams: what rooms say to each other, with no socket, thread or clock."""
