"""Scores that the k-th best row of each probe probably reaches, so that a search starts with high floors.

The floor of a search rises as rows are scored; while it is low, a filter lets many pairs pass. The k-th best scores of a few
probes, found beforehand, say how many standard deviations above the mean of its scores a probe's k-th best lies. The lowest of
these, taken for all probes, is right for most of them. `search` finds out for which it is too high, and searches again for
those: the floors change the time and never the result.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from facegap.matching.rows import Float32Array
from facegap.types import FloatArray, IntArray

SAMPLED = 2048  # gallery rows whose moments give those of each probe's scores
PILOTS = 64  # probes whose k-th best is found beforehand, at most
PROBES_FOR_PILOT = 32  # there is one for so many probes
AT_ONCE = 4096  # rows
LEAST_VARIANCE = 1e-12


class Moments(NamedTuple):
    """Mean float32 (depth,) and covariance float32 (depth, depth) of gallery rows."""

    mean: Float32Array
    covariance: Float32Array


def likely_floors(gallery: Float32Array, probes: Float32Array, k: int) -> FloatArray:
    """A score of each probe, float64 (probes,), that its k-th best row probably reaches; -inf where nothing is known."""
    pilots = min(PILOTS, len(probes) // PROBES_FOR_PILOT)
    if not pilots or k > len(gallery):
        return np.full(len(probes), -np.inf)
    moments = moments_of(gallery)
    tried = np.asarray(probes[spread_places(len(probes), pilots)])
    mean, deviation = scores_of(tried, moments)
    above = float(((kth_scores(gallery, tried, k) - mean) / deviation).min())
    parts = [scores_of(probes[start : start + AT_ONCE], moments) for start in range(0, len(probes), AT_ONCE)]
    return np.concatenate([mean + above * deviation for mean, deviation in parts])


def moments_of(gallery: Float32Array) -> Moments:
    """Of some rows, spread over the gallery."""
    sample = np.asarray(gallery[spread_places(len(gallery), SAMPLED)])
    mean = sample.mean(axis=0)
    centred = sample - mean
    return Moments(mean, centred.T @ centred / np.float32(len(sample)))


def scores_of(probes: Float32Array, moments: Moments) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the scores of each probe with all rows, float64 (probes,)."""
    variance = np.einsum("nd,nd->n", probes @ moments.covariance, probes, dtype=np.float64)
    return (probes @ moments.mean).astype(np.float64), np.sqrt(np.maximum(variance, LEAST_VARIANCE))


def kth_scores(gallery: Float32Array, probes: Float32Array, k: int) -> Float32Array:
    """The k-th highest of the float32 products of each probe with the gallery, float32 (probes,)."""
    best = np.full((len(probes), k), -np.inf, np.float32)
    for start in range(0, len(gallery), AT_ONCE):
        scores = probes @ gallery[start : start + AT_ONCE].T
        # After the first rows few are better than what is known, and a partition of all takes as long as the product.
        better = (scores > best.min(axis=1, keepdims=True)).any(axis=0)
        best = np.partition(np.concatenate([best, scores[:, better]], axis=1), -k, axis=1)[:, -k:]
    return np.asarray(best.min(axis=1))


def spread_places(rows: int, count: int) -> IntArray:
    """`count` places spread over so many rows, or all of them."""
    return np.unique(np.linspace(0, rows - 1, min(rows, count)).astype(np.int64))
