"""Role filewriter: declaration, handle, and what replaces it."""
