"""Distribution of image quality in each group, and differences between groups.

Units of quality differ between models, so a difference is expressed in standard deviations of all qualities of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.groupings import attribute_columns, attribute_values, cells_of
from facegap.derive.results import groupings_of
from facegap.derive.units import subject_codes, units_of_run
from facegap.statistics.central import DRAWS, Central, central_values
from facegap.statistics.verdicts import UNKNOWN, verdicts
from facegap.store.run import Run
from facegap.tables import QUALITY_BY_GROUP, QUALITY_DIFFERENCES, check
from facegap.types import FloatArray

BY_GROUP, DIFFERENCES = "quality_by_group.csv", "quality_differences.csv"
MARGIN_SD = 0.2  # standard deviations of all qualities of the run: a small effect by Cohen's convention
MOST_DRAWN = 10**8  # bound on draws times images, about a minute of work: with more images there are fewer draws
FEWEST_DRAWS = 200  # the standard error from 200 draws is within 10% of its limit with probability 95%
QUANTILES = (0.05, 0.25, 0.75, 0.95)
STATISTICS = ("mean", "median")


def distribution_tables(run: Run, name: str, quality: FloatArray) -> dict[str, pd.DataFrame]:
    """The tables by file name; without differences if no grouping has two groups that are large enough.

    name    : of the quality, in the tables
    quality : float64 (rows of the manifest,), NaN for images without one
    """
    groups, gaps = [], []
    attributes = attribute_columns(groupings_of(run))
    subjects, units = subject_codes(run.manifest), units_of_run(run)
    rng = np.random.default_rng(int(run.record.request.setting("verify", "seed") or 0))
    draws = int(np.clip(MOST_DRAWN / max(len(quality), 1), FEWEST_DRAWS, DRAWS))
    for grouping in groupings_of(run):
        cells = cells_of(run.manifest, grouping)
        varying = subjects if units is None else units
        found = central_values(quality, varying, cells.codes, len(cells.groups), rng=rng, draws=draws)
        people = []
        for k, group in enumerate(cells.groups):
            inside = cells.codes == k
            people.append(len(np.unique(subjects[inside & np.isfinite(quality)])))
            labels = attribute_values(group, attributes)
            groups.append({"quality": name, **labels, **spread(found, k, quality[inside], people[k], run.record.level)})
        large = [k for k, known in enumerate(cells.known) if known and people[k] >= max(run.record.min_subjects, 2)]
        if grouping:
            named = {k: str(cells.groups[k]) for k in large}
            gaps += list(differences(run, "*".join(grouping), named, found, name, quality))
    tables = {BY_GROUP: check(pd.DataFrame(groups), QUALITY_BY_GROUP, BY_GROUP)}
    if gaps:
        tables[DIFFERENCES] = check(pd.DataFrame(gaps), QUALITY_DIFFERENCES, DIFFERENCES)
    return tables


def spread(found: Central, k: int, quality: FloatArray, people: int, level: float) -> dict[str, Any]:
    """Summary statistics of one group. quality : of its images, NaN for none."""
    known = quality[np.isfinite(quality)]
    limits = {statistic: found.interval(statistic, k, level) for statistic in STATISTICS}
    quantiles = np.quantile(known, QUANTILES) if len(known) else np.full(len(QUANTILES), np.nan)
    return {
        "images": len(quality),
        "without_quality": len(quality) - len(known),
        "subjects": people,
        "mean": float(found.mean[k]),
        "mean_low": limits["mean"][0],
        "mean_high": limits["mean"][1],
        "median": float(found.median[k]),
        "median_low": limits["median"][0],
        "median_high": limits["median"][1],
        **{f"quantile_{round(100 * q):02d}": float(v) for q, v in zip(QUANTILES, quantiles, strict=True)},
        "level": level,
    }


def differences(
    run: Run, family: str, named: dict[int, str], found: Central, name: str, quality: FloatArray
) -> Iterator[dict[str, Any]]:
    """Differences of mean and median of every two groups; each statistic of a grouping is one family, by Bonferroni.

    named : the groups compared, by code
    """
    pairs = list(combinations(named, 2))
    margin = MARGIN_SD * float(np.nanstd(quality)) if np.isfinite(quality).any() else float("nan")
    alpha = run.record.alpha / max(len(pairs), 1)
    for statistic in STATISTICS:
        values = found.mean if statistic == "mean" else found.median
        for a, b in pairs:
            apart = found.difference(statistic, a, b)
            low, high = apart.interval(1 - run.record.level)
            decided_low, decided_high = apart.interval(alpha)
            yield {
                "quality": name,
                "family": family,
                "statistic": statistic,
                "group_a": named[a],
                "group_b": named[b],
                "images_a": int(found.trials[a]),
                "images_b": int(found.trials[b]),
                "value_a": float(values[a]),
                "value_b": float(values[b]),
                "difference": apart.value,
                "difference_low": low,
                "difference_high": high,
                "margin": margin,
                "p": apart.p,
                "p_adjusted": min(1.0, apart.p * len(pairs)),
                "decided_low": decided_low,
                "decided_high": decided_high,
                "decided_level": 1 - alpha,
                "verdict": verdict(decided_low, decided_high, margin),
            }


def verdict(low: float, high: float, margin: float) -> str:
    """The verdict of an interval.

    Examples
    --------
    >>> verdict(0.3, 0.5, 0.2), verdict(0.1, 0.5, 0.2), verdict(-0.1, 0.2, 0.2), verdict(-0.1, 0.5, 0.2)
    ('gap larger than the margin', 'gap', 'no gap larger than the margin', 'not enough data')
    """
    if np.isnan([low, high, margin]).any():
        return UNKNOWN
    beyond, within = np.array([low > margin or high < -margin]), np.array([low >= -margin and high <= margin])
    return str(verdicts(beyond_margin=beyond, within_margin=within, differs=np.array([low > 0 or high < 0]))[0])
