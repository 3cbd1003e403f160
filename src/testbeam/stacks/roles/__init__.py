"""One role a file: how to start it, when it is ready, what it offers."""
