"""`facegap annotate`: labels given by people, and how far they agree."""
