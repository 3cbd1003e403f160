"""Black-box tests of live data: commands, windows, counts, regions, heartbeats, as any client sees them on Kafka."""
