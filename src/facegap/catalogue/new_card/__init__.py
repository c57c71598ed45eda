"""A card for weights that have none, written from their graph alone."""
