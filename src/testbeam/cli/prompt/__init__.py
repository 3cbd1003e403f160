"""The prompt on a running stack: its names, what it remembers, and the test that it becomes."""
