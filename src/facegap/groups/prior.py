"""The probability that a skin tone is darker than a cut, from a measurement and a prior.

The same uncertain measurement has a different meaning among people with mostly light skin than among people of all
tones. The distribution of tones is therefore estimated from the manifest itself, without labels, starting from a broad
prior with the weight of START_WEIGHT photographs: few photographs hardly change it, thousands replace it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from facegap.types import FloatArray

Prior = Literal["manifest", "flat"]
GRID = np.linspace(-120.0, 120.0, 241)  # degrees of ITA
START_MEAN, START_SD, START_WEIGHT = 30.0, 25.0, 50.0  # degrees, degrees, photographs
SMOOTH_SD = 5.0  # degrees: no finer structure is estimated, which overestimates uncertainty
ROUNDS = 100  # twice as many change no probability by 0.01
ROWS_AT_ONCE = 65536  # bounds memory


def learnt_prior(ita: FloatArray, ita_sd: FloatArray) -> FloatArray:
    """Proportion of people at each ITA of GRID, float64 (241,), summing to 1; without photographs the initial prior.

    ita, ita_sd : float64 (n,), measurements and their standard deviations
    Source      : expectation maximisation for a prior on a grid (Laird 1978), smoothed in each iteration (Silverman, Jones,
                  Wilson and Nychka 1990)
    """
    start = _normal(GRID - START_MEAN, START_SD)
    start /= start.sum()
    # Measurements are grouped by degree: a million photographs give about a thousand rows.
    rounded = np.round(np.stack([ita, np.maximum(ita_sd, 1.0)], axis=1))
    rows, counts = np.unique(rounded, axis=0, return_counts=True)
    likelihood = _normal(rows[:, :1] - GRID, rows[:, 1:])
    kernel = _normal(np.arange(-20.0, 21.0), SMOOTH_SD)
    prior = start
    for _ in range(ROUNDS):
        people = prior * (likelihood.T @ (counts / (likelihood @ prior)))
        smooth = np.convolve(people, kernel / kernel.sum(), mode="same")
        prior = (smooth + START_WEIGHT * start) / (smooth.sum() + START_WEIGHT)
    return prior


def darker_probability(ita: FloatArray, ita_sd: FloatArray, cut: float, prior: FloatArray | None) -> FloatArray:
    """Probability that each true ITA is at most the cut: float64 (n,).

    prior : proportion of people at each ITA of GRID; None: uniform
    """
    if prior is None:
        from scipy.special import ndtr

        return np.asarray(ndtr((cut - ita) / ita_sd))
    below = np.clip(cut - GRID + 0.5, 0, 1)  # the grid step that contains the cut counts in part
    found = np.empty(len(ita))
    for start in range(0, len(ita), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        shares = _normal(ita[part, None] - GRID, ita_sd[part, None]) * prior
        found[part] = shares @ below / shares.sum(axis=1)
    return np.minimum(found, 1.0)  # two sums of the same numbers may differ by rounding


def _normal(apart: FloatArray, deviation: FloatArray | float) -> FloatArray:
    """Density of a normal distribution up to a constant factor; never 0 within 240 degrees."""
    return np.asarray(np.exp(-0.5 * np.minimum((apart / deviation) ** 2, 1400)) / deviation)
