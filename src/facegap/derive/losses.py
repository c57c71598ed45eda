"""Losses by group: trials that were shown to a model without a result, for images, pairs and searches.

Images that were not shown to a model (tables.NEVER_SHOWN) are not losses and are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facegap.derive.metrics import FMR, FNMR, GFAR, GFRR, Metric
from facegap.statistics.losses import LossCounts
from facegap.types import BoolArray, IntArray, Rate


def loss_counts(codes: IntArray, errors: BoolArray, lost: BoolArray, groups: int) -> LossCounts:
    """Losses if each row is a trial: images or searches.

    codes  : int64 (rows,), group of each trial, including lost ones; -1 for rows that are not trials
    errors : bool (rows,), whether it is an error, lost or not
    lost   : bool (rows,), whether it is a trial without a result
    """

    def count(rows: BoolArray) -> IntArray:
        return np.bincount(codes[rows & (codes >= 0)], minlength=groups).astype(np.int64)

    return LossCounts(count(np.ones(len(codes), np.bool_)), count(errors & ~lost), count(errors | lost))


def pair_losses(rates: Mapping[str, Sequence[Rate]], metric: Metric, known: Sequence[int]) -> LossCounts:
    """Losses of pairs: pairs with a lost image are counted by the generalised rates only.

    rates : of every group by metric, including FMR, FNMR, GFAR and GFRR
    known : the requested groups
    """
    plain, generalised = (FMR, GFAR) if metric.is_impostor else (FNMR, GFRR)
    found = [(rates[plain.name][k], rates[generalised.name][k]) for k in known]
    trials = np.array([every.trials for _, every in found], np.int64)
    least = np.array([made.errors for made, _ in found], np.int64)
    lost = np.array([every.trials - made.trials for made, every in found], np.int64)
    return LossCounts(trials, least, least + lost)
