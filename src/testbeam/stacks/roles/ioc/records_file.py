"""The file in which an IOC writes down the names of its records, within its folder."""

RECORDS_FILE = "records.txt"
