"""Illustrated portraits of people who do not exist, reproducible by seed, with the truth about them."""
