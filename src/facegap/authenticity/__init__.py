"""`facegap seal` and `facegap recheck`: whether a run is still what was written, who vouches for it, and whether it repeats."""
