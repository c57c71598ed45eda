"""`facegap protocol`: a published benchmark on a model, and beside its numbers what an audit says of the same pairs."""
