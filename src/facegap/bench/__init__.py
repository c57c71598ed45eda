"""`facegap bench`: speed as ratios to named peers."""
