"""`facegap variants`: a model in lower precision, calibrated on portraits, each with its card."""
