"""Check whether the settings of a model card are correct (`facegap doctor`)."""
