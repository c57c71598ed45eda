"""`facegap scenario`: what rates mean for people."""
