"""The commands of testbeam, one a file."""
