"""A model in a process of its own: what it may use, how batches travel, and how its end becomes an error."""
