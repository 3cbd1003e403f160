"""Apache Kafka as a service of a stack: fetched, checked, prepared for a quick start, and run as the process itself."""
