"""Simulated people with known error rates, used by plan and selfcheck."""
