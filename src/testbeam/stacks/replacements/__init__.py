"""How a facility's own build takes the place of ours: one role a file, with `local_build`, `command` and `external`."""
