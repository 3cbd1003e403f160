"""What should be in a NeXus file, computed from Kafka alone, and whether it is there."""
