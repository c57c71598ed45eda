"""Decode image files within limits on size and time."""
