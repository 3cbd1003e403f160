"""Role control: cache, poller, collector and daemon; declaration, handle, and what replaces them."""
