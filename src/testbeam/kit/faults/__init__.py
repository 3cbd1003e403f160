"""What can be broken in a running stack, one fault a file, each undone at the end of its block."""
