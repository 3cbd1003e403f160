"""Black-box suite of the file-writer: whatever takes jobs by pl72 and writes NeXus files from Kafka passes it."""
