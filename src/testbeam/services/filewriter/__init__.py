"""The file-writer: from a job's messages on Kafka to one NeXus file."""
