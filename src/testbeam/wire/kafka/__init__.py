"""Kafka messages, and the few requests of Kafka's protocol that a readiness probe needs."""
