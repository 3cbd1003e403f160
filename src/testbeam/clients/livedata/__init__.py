"""Live data in a test's or a user's hand: a dashboard's backend, its services as processes, and waits for what they do."""
