"""Uncertain labels: how they are added to a manifest, and the effect of their uncertainty on rates and gaps."""
