"""`facegap gate`: check a run against a policy."""
