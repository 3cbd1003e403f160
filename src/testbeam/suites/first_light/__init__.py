"""The smoke run: the whole chain on real input, ending with a NeXus file, its audit and a report."""
