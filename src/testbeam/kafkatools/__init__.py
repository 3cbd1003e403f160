"""Recording, replaying, inspecting and measuring topics."""
