"""PVs over PV Access for tests of instrument control: a readback, a set point that takes its time, a motor, a shutter, a counter."""
