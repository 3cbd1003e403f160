"""Services from the tables of a testbeam.toml, one noun a file; `file.py` puts them together."""
