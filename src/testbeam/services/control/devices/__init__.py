"""Device classes: what setups name, under the names of the field."""
