"""Role ioc: declaration, handle, and what replaces it."""
