"""`facegap forget`: a person removed from a finished run."""
