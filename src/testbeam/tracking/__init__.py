"""State machines that follow what services say: pure, shared by clients and by the devices of instrument control."""
