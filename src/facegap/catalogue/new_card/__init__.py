"""Write a card for weights that have none, from their graph alone."""
