"""Apache Kafka and Java as packages: found, fetched, checked, cached, and the command line that starts them."""
