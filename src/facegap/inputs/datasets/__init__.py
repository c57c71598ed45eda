"""Public data sets: their cards, and adapters that convert their folders to manifests."""
