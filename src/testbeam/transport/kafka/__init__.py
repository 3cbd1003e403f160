"""Kafka clients: confluent-kafka for data, plain sockets for the metadata of a broker that we start."""
