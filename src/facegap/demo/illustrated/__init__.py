"""Illustrated people: portraits of nobody, drawn from a seed, with their truth."""
