"""A model in a separate process: what it may use, how batches travel, and how its end becomes an error."""
