"""Any message as a person or a script reads it."""
