"""What comes in from outside: cards, weights, manifests, images. Everything here is treated as hostile."""
