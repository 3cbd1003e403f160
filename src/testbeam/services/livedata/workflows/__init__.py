"""Workflows: what a job computes, one file each."""
