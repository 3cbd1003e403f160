"""Role event_source: declaration, handle, and what replaces it."""
