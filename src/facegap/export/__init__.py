"""`facegap export`: a run as JSON or as a model card."""
