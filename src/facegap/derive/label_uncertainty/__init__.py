"""Labels that are uncertain: how they enter a manifest, and what their uncertainty does to rates and gaps."""
