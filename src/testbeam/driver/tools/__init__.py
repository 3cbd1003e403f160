"""EPICS' command-line tools with their own output and exit codes, as small programs on a machine's PATH."""
