"""The cache: the newest value of every key, told to whoever subscribed."""
