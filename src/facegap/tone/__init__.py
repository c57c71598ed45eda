"""`facegap tone`: skin tone measured from photographs."""
