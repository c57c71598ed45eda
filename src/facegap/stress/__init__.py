"""Errors by group under perturbations of their own images."""
