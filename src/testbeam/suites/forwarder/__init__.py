"""Black-box suite of the forwarder: what any program that sends PVs to Kafka by these topics and schemas has to do."""
