"""`facegap compare`: models side by side on the same people."""
