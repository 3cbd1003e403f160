"""What this machine can do for a stack and what it lacks, each with the remedy: one noun a file, put together in `checks.py`."""
