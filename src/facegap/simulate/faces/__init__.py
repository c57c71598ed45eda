"""The workshop of `simulate/drawn.py`: people as parameters, their geometry, the painting, the photograph."""
