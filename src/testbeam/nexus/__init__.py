"""The NeXus JSON grammar, and reading and walking NeXus files."""
