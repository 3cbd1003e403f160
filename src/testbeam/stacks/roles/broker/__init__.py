"""Role broker: declaration, handle, and what replaces it."""
