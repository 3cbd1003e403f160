"""How values of PVs become messages: one module a schema."""
