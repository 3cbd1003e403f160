"""Role forwarder: declaration, handle, and what replaces it."""
