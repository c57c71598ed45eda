"""The consequences of error rates for people (`facegap scenario`)."""
