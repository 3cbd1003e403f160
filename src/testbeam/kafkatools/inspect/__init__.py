"""Looking at what is on Kafka, without touching it."""
