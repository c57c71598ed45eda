"""`facegap selfcheck`: facegap validated by simulation."""
