"""Formulas for labels that are known with a probability only."""
