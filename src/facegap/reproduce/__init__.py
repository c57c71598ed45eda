"""`facegap reproduce`: published tables, rebuilt."""
