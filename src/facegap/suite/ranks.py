"""Ranks of models on the same people: for each model, the range of ranks that the data cannot rule out.

Every pair of models is compared as in `facegap compare`: the same images, people resampled jointly. A model is ahead of
another if the simultaneous interval of their difference excludes zero; its range of ranks begins after the models that
are ahead of it and ends before those that it is ahead of.

The worst groups of two models may differ, and the largest of several rates is large partly by chance. Model a has the lower
worst-group error if, for one group h of model b, all groups of a have a lower error than h has in b. For one h this is an
intersection of tests, each at the full level; for the choice of h the level is divided by the number of groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from facegap.compare.differences import families
from facegap.compare.joint_rows import Entry, Resampled, paired_row
from facegap.compare.shared_people import Together
from facegap.derive.groupings import Grouping, cells_of
from facegap.types import FloatArray

POOLED = ""  # instead of a grouping: all people


@dataclass(frozen=True)
class Difference:
    """Two models on the same people: error rate of `second` minus that of `first`.

    grouping  : POOLED for all people; otherwise the difference of the worst groups of this grouping, joined by `*`
    value     : NaN if one of the two has no rate
    low, high : simultaneous over all differences of the models of a set; NaN if unknown
    """

    metric: str
    grouping: str
    first: str
    second: str
    value: float
    low: float
    high: float

    @property
    def ahead(self) -> str:
        """The model with fewer errors; empty if the difference is not significant."""
        return self.first if self.low > 0 else self.second if self.high < 0 else ""


@dataclass(frozen=True)
class RankRange:
    """The best and the worst possible rank of a model, of `models`."""

    best: int
    worst: int
    models: int


def differences_of_pairs(
    runs: Together,
    metrics: Sequence[str],
    groupings: Sequence[Grouping],
    *,
    alpha: float,
    min_subjects: int,
    seed: int = 0,
) -> list[Difference]:
    """Every pair of models on every metric, for all people and for the worst groups of every grouping.

    alpha : of all differences together (Bonferroni)
    """
    models = len(runs.labels)
    tests = models * (models - 1) // 2 * len(metrics) * (1 + len(groupings))
    if not tests:
        return []
    each = alpha / tests
    found = []
    for number, (i, j) in enumerate(combinations(range(models), 2)):
        two = replace(
            runs,
            labels=(runs.labels[i], runs.labels[j]),
            runs=(runs.runs[i], runs.runs[j]),
            rows=(runs.rows[i], runs.rows[j]),
        )
        for grouping in ((), *groupings):
            rng = np.random.default_rng([seed, number])
            cells = cells_of(two.manifest, grouping)
            seen: set[str] = set()
            for place, entries in families(two, 1, cells, min_subjects, 1 - each, []):
                if place.metric not in metrics or place.metric in seen:
                    continue  # not the first threshold
                seen.add(place.metric)
                resampled = Resampled.of(entries, np.random.default_rng(rng.integers(2**63)))
                if not grouping:
                    row = paired_row(place, entries[0], 0, 1, resampled, 1 - each, is_ratio=False)
                    ends = row["difference"], row["difference_low"], row["difference_high"]
                else:
                    ends = worst_difference(entries, resampled, alpha=each)
                first, second = two.labels
                found.append(Difference(place.metric, "*".join(grouping), first, second, *map(float, ends)))
    return found


def worst_difference(entries: Sequence[Entry], resampled: Resampled, *, alpha: float) -> tuple[float, float, float]:
    """The highest rate of the second model minus that of the first, over ranked groups, with its interval; NaN without any."""
    ranked = [k for k, entry in enumerate(entries) if entry.ranked and entry.a.rate.trials and entry.b.rate.trials]
    if not ranked:
        return math.nan, math.nan, math.nan
    groups = len(entries)
    level = 1 - alpha / len(ranked)
    contrasts = [
        [resampled.contrast((g, groups + h), (-1.0, 1.0), logarithmic=False, level=level) for h in ranked]
        for g in ranked
    ]
    low, high = (np.array([[getattr(one, end) for one in row] for row in contrasts]) for end in ("low", "high"))
    a, b = (np.array([getattr(entries[k], side).rate.value for k in ranked]) for side in "ab")
    return float(b.max() - a.max()), *bounds_of_worst(low, high)


def bounds_of_worst(low: FloatArray, high: FloatArray) -> tuple[float, float]:
    """Bounds of max(b) - max(a) from bounds of every b_h - a_g.

    low, high : float64 [groups g, groups h], each of level 1 - alpha / groups; NaN if unknown

    max(b) - max(a) >= b_h - max(a) >= min over g of low[g, h] for every h; the best h is used, and likewise above.

    Examples
    --------
    >>> bounds_of_worst(np.array([[0.1, -0.2], [0.3, -0.1]]), np.array([[0.2, 0.0], [0.5, 0.4]]))
    (0.1, 0.2)
    """
    below, above = low.min(axis=0), high.max(axis=1)  # NaN is kept, since an unknown group may be the worst
    best = below[~np.isnan(below)].max(initial=-np.inf)
    least = above[~np.isnan(above)].min(initial=np.inf)
    return (float(best) if np.isfinite(best) else math.nan, float(least) if np.isfinite(least) else math.nan)


def rank_ranges(models: Sequence[str], differences: Sequence[Difference]) -> dict[str, RankRange]:
    """The range of ranks of each model that has a rate, from the differences of one metric and grouping.

    Examples
    --------
    >>> pairs = [Difference("fnmr", "", "a", "b", 0.1, 0.05, 0.2), Difference("fnmr", "", "a", "c", 0.02, -0.01, 0.05)]
    >>> rank_ranges(["a", "b", "c"], [*pairs, Difference("fnmr", "", "b", "c", -0.08, -0.1, -0.01)])["c"]
    RankRange(best=1, worst=2, models=3)
    """
    known = [
        model
        for model in models
        if any(model in (one.first, one.second) and not math.isnan(one.value) for one in differences)
    ]
    between = [one for one in differences if one.first in known and one.second in known]
    return {
        model: RankRange(
            1 + sum(one.ahead not in ("", model) for one in between if model in (one.first, one.second)),
            len(known) - sum(one.ahead == model for one in between),
            len(known),
        )
        for model in known
    }
