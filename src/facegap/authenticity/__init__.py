"""`facegap seal` and `facegap recheck`: whether a run is unchanged, who signed it, and whether it is repeatable."""
