"""The programs: one folder each, started as python -m testbeam.services.NAME."""
