"""Cards, weights, data sets and manifests: listed, fetched, checked."""
