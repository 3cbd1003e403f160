"""Examination of this machine: what it can do for a stack and what it lacks, each with the remedy; `checks.py` is the table."""
