"""Black-box tests of every role, and the smoke run."""
