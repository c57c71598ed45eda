"""How alike genuine and impostor pairs look: numbers, means and equal error rate by group, and the pairs to review."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons, both, counted_groups, impostors_within
from facegap.derive.groupings import Cells, Grouping, attribute_columns, attribute_values, cells_of
from facegap.statistics.curves import EER_CONVENTIONS, EerConvention, equal_error_rate_of_sorted
from facegap.types import BoolArray, FloatArray, IntArray, ScoreCounts

MOST_REVIEWED = 50


def scores_table(
    pairs: Comparisons,
    counts: ScoreCounts | None,
    manifest: pd.DataFrame,
    groupings: Sequence[Grouping],
    eer: EerConvention = "midpoint",
) -> pd.DataFrame:
    """One row per group, of pairs with two templates within it.

    impostor_mean   : of all impostor pairs where they are all listed; else read off the histogram over all scores, to
                      half a bin, and of many templates to the error of its sample besides (ScoreHistogram.sampled);
                      NaN where that was not counted, or not by these groups
    equal_error_rate: found on the very pairs that it describes; NaN where not all impostor pairs are listed
    equal_error_convention : how, in words; eer names it
    """
    attributes = attribute_columns(groupings)
    counted = counted_groups(manifest, groupings)
    rows = []
    for grouping in groupings:
        cells = cells_of(manifest, grouping)
        for k, group in enumerate(cells.groups):
            inside = cells.codes == k
            row = group_scores(pairs, inside, eer)
            if counts is not None and not pairs.complete and is_whole(counted, inside):
                row["impostor_mean"] = histogram_mean(counts, np.unique(counted.codes[inside]))
            said = {"equal_error_convention": EER_CONVENTIONS[eer]}
            rows.append({**attribute_values(group, attributes), **row, **said})
    return pd.DataFrame(rows)


def is_whole(counted: Cells, inside: BoolArray) -> bool:
    """Whether a group is put together from whole counted groups."""
    members = np.unique(counted.codes[inside])
    return bool(inside[np.isin(counted.codes, members)].all())


def group_scores(pairs: Comparisons, group: BoolArray, eer: EerConvention) -> dict[str, float]:
    """Numbers of pairs, means and equal error rate within one group."""
    inside = group & pairs.counted
    genuine = pairs.genuine_scores[both(inside, pairs.genuine)]
    genuine = genuine[np.isfinite(genuine)]
    impostor, impostor_pairs = impostors_within(pairs, group)
    others = impostor[::-1] if pairs.complete else np.empty(0)
    error = equal_error_rate_of_sorted(np.sort(genuine), others, convention=eer)
    return {
        "genuine_pairs": len(genuine),
        "genuine_mean": mean(genuine),
        "impostor_pairs": impostor_pairs,
        "impostor_mean": mean(impostor) if pairs.complete else np.nan,
        "equal_error_rate": error.value,
        "equal_error_threshold": error.threshold,
    }


def mean(scores: FloatArray) -> float:
    """Mean of some scores; NaN of none."""
    return float(scores.mean()) if len(scores) else float("nan")


def histogram_mean(counts: ScoreCounts, groups: IntArray) -> float:
    """Mean impostor score among some counted groups by the middles of the bins; NaN where these were not counted."""
    if counts.full_range is None:
        return float("nan")
    middles = (counts.full_range.edges[:-1] + counts.full_range.edges[1:]) / 2
    weights = counts.full_range.impostor[np.ix_(groups, groups)].sum(axis=(0, 1))
    return float((middles * weights).sum() / weights.sum()) if weights.sum() else float("nan")


def review_table(pairs: Comparisons, manifest: pd.DataFrame) -> pd.DataFrame:
    """The highest impostor and the lowest genuine pairs, for a person to look at: left, right, kind, score.

    A high impostor pair may be one person under two names; once reviewed it is left out by --exclude-pairs.
    """
    order = np.argsort(pairs.genuine_scores, kind="stable")[: int(np.isfinite(pairs.genuine_scores).sum())]
    highest, lowest = np.arange(min(pairs.made, MOST_REVIEWED)), order[:MOST_REVIEWED]
    image = manifest["image"].to_numpy()
    parts = [
        pd.DataFrame({"left": image[rows[:, 0]], "right": image[rows[:, 1]], "kind": kind, "score": scores})
        for kind, rows, scores in (
            ("impostor", pairs.impostor[highest], pairs.impostor_scores[highest]),
            ("genuine", pairs.genuine[lowest], pairs.genuine_scores[lowest]),
        )
    ]
    return pd.concat(parts, ignore_index=True)
