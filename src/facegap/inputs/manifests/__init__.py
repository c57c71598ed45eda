"""Read and check manifests before any model runs."""
