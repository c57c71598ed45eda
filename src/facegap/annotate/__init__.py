"""Labels by annotators, and their agreement (`facegap annotate`)."""
