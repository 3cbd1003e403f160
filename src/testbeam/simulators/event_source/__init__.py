"""Neutron events without neutrons: seeded ev44 messages at a pulsed source's rate."""
