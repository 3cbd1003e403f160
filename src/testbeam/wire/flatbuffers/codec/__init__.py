"""FlatBuffers encoder, verifier and zero-copy decoder, driven by table descriptions."""
