"""Pages served on this machine: annotation, and exploring a run."""
