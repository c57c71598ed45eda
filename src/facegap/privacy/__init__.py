"""`facegap forget`: remove a person from a finished run."""
