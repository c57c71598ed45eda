"""Public data sets: their cards, and their folders as manifests."""
