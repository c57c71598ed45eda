"""How much of a gap goes with measured covariates: balancing, regression, and change within people."""
