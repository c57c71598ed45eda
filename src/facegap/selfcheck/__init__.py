"""Validation of facegap by simulation (`facegap selfcheck`)."""
