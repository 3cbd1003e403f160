"""Parts that two or more services use, one noun a file."""
