"""Manifests, checked before any model runs."""
