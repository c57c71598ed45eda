"""Errors by group under perturbations of the same images."""
