"""What each group lost: trials that were shown to a model and gave no answer, by rows, pairs and searches.

Images that no model was ever shown (tables.NEVER_SHOWN) are lost by nobody and count nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facegap.derive.metrics import FMR, FNMR, GFAR, GFRR, Metric
from facegap.statistics.losses import LossCounts
from facegap.types import BoolArray, IntArray, Rate


def loss_counts(codes: IntArray, errors: BoolArray, lost: BoolArray, groups: int) -> LossCounts:
    """Of rows, each a trial: images or searches.

    codes  : int64 (rows,), group of each trial, lost ones included; -1 for rows that are none
    errors : bool (rows,), in error, whether lost or not
    lost   : bool (rows,), a trial that gave no answer
    """

    def count(rows: BoolArray) -> IntArray:
        return np.bincount(codes[rows & (codes >= 0)], minlength=groups).astype(np.int64)

    return LossCounts(count(np.ones(len(codes), np.bool_)), count(errors & ~lost), count(errors | lost))


def pair_losses(rates: Mapping[str, Sequence[Rate]], metric: Metric, known: Sequence[int]) -> LossCounts:
    """Of pairs: those with a lost image are what the generalised rates count and the plain ones do not.

    rates : of every group by metric, FMR, FNMR, GFAR and GFRR among them
    known : the groups that are asked for
    """
    plain, generalised = (FMR, GFAR) if metric.is_impostor else (FNMR, GFRR)
    found = [(rates[plain.name][k], rates[generalised.name][k]) for k in known]
    trials = np.array([every.trials for _, every in found], np.int64)
    least = np.array([made.errors for made, _ in found], np.int64)
    lost = np.array([every.trials - made.trials for made, every in found], np.int64)
    return LossCounts(trials, least, least + lost)
