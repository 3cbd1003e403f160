"""The forwarder: PVs over Channel Access and PVA in, FlatBuffers messages on Kafka topics out."""
