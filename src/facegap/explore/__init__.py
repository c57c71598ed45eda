"""`facegap explore`: a local page over a run."""
