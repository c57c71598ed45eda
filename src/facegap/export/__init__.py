"""Export a run as JSON or as a model card (`facegap export`)."""
