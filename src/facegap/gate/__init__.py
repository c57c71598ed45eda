"""`facegap gate`: a run against a policy."""
