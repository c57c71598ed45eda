"""Simulated people whose error rates are known; shared by plan and selfcheck."""
