"""Association of a gap with measured covariates: balancing, regression, and change within subjects."""
