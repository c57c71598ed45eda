"""`facegap explain`: how much of a gap remains after balancing measured covariates."""
