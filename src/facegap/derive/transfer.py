"""What a threshold that was set on one group does to the others, and what it costs to hold the worst group to a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons
from facegap.derive.results import rate_row
from facegap.derive.terms import Term, attribute_columns, cells_of
from facegap.derive.verification import rates_of_group

WORST = "the group that needs the highest threshold"


def transfer_table(
    pairs: Comparisons, manifest: pd.DataFrame, terms: Sequence[Term], points: Sequence[Mapping[str, Any]],
    model: str, level: float,
) -> pd.DataFrame:  # fmt: skip
    """FMR and FNMR of every group at the threshold of every other, in the columns of RATES.

    points : one per term, target and group that a threshold could be found on: term, on, target, threshold (NaN where
             the group has too few impostor pairs for the target: no rows then), source
    """
    attributes = attribute_columns(terms)
    rows = [
        row
        for point in [*points, *worst_points(points)]
        if np.isfinite(point["threshold"])
        for row in rows_at(pairs, manifest, tuple(point["term"]), point, attributes, model, level)
    ]
    return pd.DataFrame(rows)


def worst_points(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per term and target the highest of the groups' thresholds: at it, every group meets the target on calibration."""
    best: dict[tuple[str, float], Mapping[str, Any]] = {}
    for point in points:
        key = ("*".join(point["term"]), float(point["target"]))
        if point["threshold"] > best.get(key, {"threshold": -np.inf})["threshold"]:
            best[key] = point
    return [{**point, "source": f"FMR {point['target']:g} on {WORST}: {point['on']}"} for point in best.values()]


def rows_at(
    pairs: Comparisons, manifest: pd.DataFrame, term: Term, point: Mapping[str, Any], attributes: Sequence[str],
    model: str, level: float,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The rates of every group of a term at one threshold; nothing where the list of false matches does not reach it."""
    threshold = float(point["threshold"])
    if threshold < pairs.floor:
        return
    cells = cells_of(manifest, term)
    for k, group in enumerate(cells.groups):
        for metric, rate in rates_of_group(pairs, threshold, cells.codes == k, level).items():
            if metric in ("fmr", "fnmr"):
                yield rate_row(metric, model, group, attributes, rate, threshold, str(point["source"]))
