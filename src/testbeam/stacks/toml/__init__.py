"""How the tables of a testbeam.toml become services: one noun a file; `toml_file.py` puts them together."""
