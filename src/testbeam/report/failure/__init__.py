"""Why did this test fail: everything the run knows, in one page that somebody who was not there can read."""
