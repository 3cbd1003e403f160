"""Page of a failed test: everything the run knows, for somebody who was not there."""
