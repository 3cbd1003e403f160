"""What a user or a test holds in hand."""
