"""The FlatBuffers messages on Kafka topics: one verified reader, one builder, one module a schema."""
