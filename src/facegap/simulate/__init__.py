"""Worlds made of numbers: what a run's rates mean for a crowd, a phone, a registry, a till and a shop."""
