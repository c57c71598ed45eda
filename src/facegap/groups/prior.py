"""How probable it is that a skin tone is darker than a cut: what was measured, and among whom.

The same uncertain measurement means something else among people who are mostly light than among people of all tones. So
the spread of tones is learnt from the manifest itself, without a label, starting from a broad guess that weighs like
START_WEIGHT photographs: few photographs hardly move it, thousands replace it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from facegap.types import FloatArray

Prior = Literal["manifest", "flat"]
GRID = np.linspace(-120.0, 120.0, 241)  # degrees of ITA
START_MEAN, START_SD, START_WEIGHT = 30.0, 25.0, 50.0  # degrees, degrees, photographs
SMOOTH_SD = 5.0  # degrees: nothing finer is learnt, which errs on the side of uncertainty
ROUNDS = 100  # twice as many move no probability by 0.01
ROWS_AT_ONCE = 65536  # bounds memory


def learnt_prior(ita: FloatArray, ita_sd: FloatArray) -> FloatArray:
    """Share of people at each ITA of GRID, float64 (241,), adding up to 1; of no photographs: the broad guess.

    ita, ita_sd : float64 (n,), measured, and the standard deviation of each
    Source      : expectation maximisation for a prior on a grid (Laird 1978), smoothed in each round (Silverman, Jones,
                  Wilson and Nychka 1990)
    """
    start = _normal(GRID - START_MEAN, START_SD)
    start /= start.sum()
    # Measurements that agree to a degree are counted together: a million photographs are then some thousand rows.
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
    """Probability that each true ITA is at or below the cut: float64 (n,).

    prior : share of people at each ITA of GRID; None: every ITA as probable as any other
    """
    if prior is None:
        from scipy.special import ndtr

        return np.asarray(ndtr((cut - ita) / ita_sd))
    below = np.clip(cut - GRID + 0.5, 0, 1)  # a step of the grid that the cut goes through counts in part
    found = np.empty(len(ita))
    for start in range(0, len(ita), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        shares = _normal(ita[part, None] - GRID, ita_sd[part, None]) * prior
        found[part] = shares @ below / shares.sum(axis=1)
    return np.minimum(found, 1.0)  # two sums of the same numbers may round apart


def _normal(apart: FloatArray, deviation: FloatArray | float) -> FloatArray:
    """Density of a normal distribution, up to a factor that no use here needs; never 0 within 240 degrees."""
    return np.asarray(np.exp(-0.5 * np.minimum((apart / deviation) ** 2, 1400)) / deviation)
