"""The collector: sends the values and states of devices, as the cache has them, to a Kafka topic."""
