"""Schemas of the facility, one file each, named by meaning and file identifier."""
