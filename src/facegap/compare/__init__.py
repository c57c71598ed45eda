"""Compare models on the same people (`facegap compare`)."""
