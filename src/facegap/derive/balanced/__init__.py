"""What is left of gaps after balancing measured covariates: trials, estimates, and one row per estimate."""
