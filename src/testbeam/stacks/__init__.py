"""Roles, ours and theirs, and the stacks made of them."""
