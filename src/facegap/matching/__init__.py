"""The exact comparison of everyone with everyone."""
