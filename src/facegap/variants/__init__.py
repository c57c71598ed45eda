"""Variants of a model in lower precision, calibrated on portraits, each with its card (`facegap variants`)."""
