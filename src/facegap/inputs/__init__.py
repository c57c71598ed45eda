"""Read external input: cards, weights, manifests, images. All of it is treated as hostile."""
