"""Role livedata: declaration, handle, and what replaces it."""
