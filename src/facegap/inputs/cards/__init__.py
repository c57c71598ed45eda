"""Model cards and weights."""
