"""User commands: what a script may say, and how scans run."""
