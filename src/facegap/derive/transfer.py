"""Rates of all groups at a threshold set on one of them, and the cost of meeting a target in the worst group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.at_target import AtTarget
from facegap.derive.comparisons import Comparisons, false_match_rate, false_non_match_rate
from facegap.derive.cuts import lowest_of
from facegap.derive.groupings import Grouping, attribute_columns, cells_of
from facegap.derive.metrics import FMR, FNMR
from facegap.derive.results import rate_row
from facegap.store.record import Operating, TransferPoint
from facegap.types import BoolArray, Group, Rate

WORST = "the group that needs the highest threshold"
Rates = Mapping[tuple[Group, str], Rate]  # by group and metric
TOO_FEW, NOT_LISTED = "too few impostor pairs", "below the list of impostor pairs"


def transfer_table(
    pairs: Comparisons,
    manifest: pd.DataFrame,
    groupings: Sequence[Grouping],
    points: Sequence[TransferPoint],
    operating: Sequence[Operating],
    model: str,
    level: float,
    min_subjects: int,
) -> pd.DataFrame:
    """FMR and FNMR of all subjects and of every group at the threshold of every other, in the columns of RATES and two more.

    points                : one per grouping, target and group: grouping, on, target, threshold (None if there is none,
                            with the `reason`), subjects of the group in the threshold set, source
    operating_threshold   : the run's own threshold at the same target; NaN for none
    operating_value       : the same group's rate at the run's own threshold
    own_threshold         : yes if the threshold was set on the group of the row, as with thresholds by group
    change_from_operating : the rate minus the same group's rate at the run's own threshold. For FNMR at the worst
                            group's threshold it is the cost of meeting the target in that group
    """
    attributes = attribute_columns(groupings)
    run_points = {target: point for point in operating for target in point.targets}
    known: dict[tuple[Grouping, str], Rates] = {}

    def rates(grouping: Grouping, point: Operating | TransferPoint) -> Rates:
        if (grouping, point.source) not in known:
            known[grouping, point.source] = rates_of_grouping(pairs, manifest, grouping, point, level)
        return known[grouping, point.source]

    return pd.DataFrame(
        [
            row
            for point in [*points, *worst_points(points, min_subjects)]
            for row in rows_at(point, run_points.get(point.target), rates, attributes, model)
        ]
    )


def worst_points(points: Sequence[TransferPoint], min_subjects: int) -> list[TransferPoint]:
    """For each grouping and target, the highest threshold of a group; at it, every ranked group meets the target.

    Groups of fewer than `min_subjects` threshold-set subjects, or with too few impostor pairs for the target, are not
    ranked and are named in the source, as one of them may need an even higher threshold. With fewer than two ranked
    groups there is no such threshold.
    """
    families: dict[tuple[str, float], list[TransferPoint]] = {}
    for point in points:
        families.setdefault(("*".join(point.grouping), point.target), []).append(point)
    found = []
    for family in families.values():
        small = [point for point in family if point.subjects < min_subjects or point.reason == TOO_FEW]
        ranked = [point for point in family if point not in small]
        reached = [(point.threshold, point) for point in ranked if point.threshold is not None]
        if len(ranked) < 2 or not reached:
            continue
        _, worst = max(reached, key=lambda entry: entry[0])
        unranked = f"; not ranked, too few: {', '.join(point.on for point in small)}" if small else ""
        found.append(replace(worst, source=f"{worst.source}; {WORST}{unranked}"))
    return found


def rows_at(
    point: TransferPoint,
    run_point: Operating | None,
    rates: Callable[[Grouping, Operating | TransferPoint], Rates],
    attributes: Sequence[str],
    model: str,
) -> Iterator[dict[str, Any]]:
    """The rates of all subjects and of every group of the point's grouping, without FMR below its list.

    None if the point has no threshold.
    """
    if (threshold := point.threshold) is None:
        return
    for grouping in ((), point.grouping):
        before = {} if run_point is None else rates(grouping, run_point)
        for (group, metric), rate in rates(grouping, point).items():
            row = rate_row(metric, model, group, attributes, rate, threshold, point.source)
            known = before.get((group, metric))
            yield {
                **row,
                "operating_threshold": np.nan if run_point is None else run_point.threshold,
                "operating_value": np.nan if known is None else known.value,
                "change_from_operating": np.nan if known is None else rate.value - known.value,
                "own_threshold": "yes" if grouping and str(group) == point.on and WORST not in point.source else "no",
            }


def rates_of_grouping(
    pairs: Comparisons, manifest: pd.DataFrame, grouping: Grouping, point: Operating | TransferPoint, level: float
) -> dict[tuple[Group, str], Rate]:
    """FMR and FNMR of every group of a grouping at a threshold, as far as they are known.

    The intervals of the groups' rates include the uncertainty of the threshold.
    """
    found: dict[tuple[Group, str], Rate] = {}
    cut = pairs.cut(point)
    at_target = AtTarget(pairs, point, cut, basis_of(manifest, point))
    cells = cells_of(manifest, grouping)
    for k, group in enumerate(cells.groups):
        inside = cells.codes == k
        if lowest_of(cut) >= pairs.floor:
            rate = false_match_rate(pairs, cut, inside, None, generalised=False, level=level)
            found[group, FMR.name] = at_target.rate(rate, FMR, inside)
        rate = false_non_match_rate(pairs, cut, inside, generalised=False, level=level)
        found[group, FNMR.name] = at_target.rate(rate, FNMR, inside)
    return found


def basis_of(manifest: pd.DataFrame, point: Operating | TransferPoint) -> BoolArray | None:
    """The templates over whose impostor pairs a group's threshold is set; None: all."""
    if isinstance(point, Operating):
        return None
    cells = cells_of(manifest, point.grouping)
    names = [str(group) for group in cells.groups]
    return cells.codes == names.index(point.on) if point.on in names else None
