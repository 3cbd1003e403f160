"""Black-box suite of the broker: any Kafka that a beamline's services could use passes it."""
