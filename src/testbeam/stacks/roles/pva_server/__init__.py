"""Role pva_server: simulated PVs over PV Access."""
