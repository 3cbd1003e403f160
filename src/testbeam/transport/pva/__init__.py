"""PV Access clients on p4p: single values, and monitors in column batches."""
