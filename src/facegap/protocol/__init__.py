"""`facegap protocol`: a published benchmark on a model, with its own results and an audit of the same pairs."""
