"""Gaps after balancing measured covariates: trials, estimates, and one row per estimate."""
