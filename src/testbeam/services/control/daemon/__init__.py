"""The daemon: runs the scripts of users, one after the other, and tells all clients what happens."""
