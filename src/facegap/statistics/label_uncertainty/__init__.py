"""Formulas for labels known only with a probability."""
