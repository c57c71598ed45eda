"""`facegap explain`: what is left of a gap after balancing measured covariates."""
