"""How alike genuine and impostor pairs look, group by group: numbers of pairs, mean scores, equal error rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons
from facegap.derive.terms import Term, attribute_columns, attribute_values, cells_of
from facegap.statistics.curves import equal_error_rate
from facegap.types import BoolArray, FloatArray, ScoreCounts


def scores_table(
    pairs: Comparisons, counts: ScoreCounts | None, manifest: pd.DataFrame, terms: Sequence[Term]
) -> pd.DataFrame:
    """One row per group, of pairs with two templates within it.

    impostor_mean   : of all impostor pairs where they are all listed; NaN otherwise, except for everybody, where it is
                      read off the histogram over all scores (to half a bin)
    equal_error_rate: NaN where the list of impostor pairs does not reach down to it
    """
    attributes = attribute_columns(terms)
    rows = []
    for term in terms:
        cells = cells_of(manifest, term)
        for k, group in enumerate(cells.groups):
            inside = cells.codes == k
            rows.append({**attribute_values(group, attributes), **group_scores(pairs, inside)})
    table = pd.DataFrame(rows)
    if counts is not None and np.isfinite(pairs.floor):
        table.loc[0, ["impostor_pairs", "impostor_mean"]] = [int(counts.impostor_pairs.sum()), histogram_mean(counts)]
    return table


def group_scores(pairs: Comparisons, group: BoolArray) -> dict[str, float]:
    """Numbers of pairs, means and equal error rate within one group."""
    inside = group & pairs.counted
    genuine = pairs.genuine_scores[inside[pairs.genuine].all(axis=1)]
    genuine = genuine[np.isfinite(genuine)]
    listed = pairs.impostor_scores[inside[pairs.impostor].all(axis=1)]
    impostor = listed[np.isfinite(listed)]
    complete = np.isneginf(pairs.floor)
    error = equal_error_rate(genuine, impostor if complete else np.empty(0))
    return {
        "genuine_pairs": len(genuine),
        "genuine_mean": mean(genuine),
        "impostor_pairs": len(impostor) if complete else np.nan,
        "impostor_mean": mean(impostor) if complete else np.nan,
        "equal_error_rate": error.value,
        "equal_error_threshold": error.threshold,
    }


def mean(scores: FloatArray) -> float:
    """Mean of some scores; NaN of none."""
    return float(scores.mean()) if len(scores) else float("nan")


def histogram_mean(counts: ScoreCounts) -> float:
    """Mean impostor score of everybody by the middles of the bins over all scores; NaN where these were not counted."""
    if counts.full_range is None:
        return float("nan")
    middles = (counts.full_range.edges[:-1] + counts.full_range.edges[1:]) / 2
    weights = counts.full_range.impostor.sum(axis=(0, 1))
    return float((middles * weights).sum() / weights.sum()) if weights.sum() else float("nan")
