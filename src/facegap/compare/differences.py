"""Compare runs on the same people: their rates, paired differences, and changes of gaps.

Every further run is compared with the first. The primary family of the first run is tested together: all people and all
ranked groups of all other runs, and, as a separate family, all pairs of these groups. Everything else is exploratory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from facegap.compare.joint_rows import BOOTSTRAP, Entry, Place, Resampled, change_rows, paired_rows, side_rows
from facegap.compare.resampling import of_comparisons, of_images
from facegap.compare.shared_people import Together, evaluated_by_both
from facegap.derive.comparisons import Comparisons
from facegap.derive.cuts import Cut
from facegap.derive.groupings import Cells, cells_of
from facegap.derive.margins import margin_of
from facegap.derive.metrics import PAIR_METRICS, metric_of
from facegap.derive.primary import primary_family
from facegap.derive.results import model_of, run_metrics
from facegap.derive.run import operating_of
from facegap.statistics.paired_errors import paired_errors
from facegap.statistics.verdicts import EXPLORATORY, holm
from facegap.store.record import Operating
from facegap.store.run import Run
from facegap.types import BoolArray, IntArray

MORE, FEWER, ALIKE, FEW = "more errors", "fewer errors", "no significant difference", "too few people"
GREW, SHRANK, TURNED = "grew", "shrank", "shrank or turned round"


@dataclass(frozen=True)
class Compared:
    """The tables of a comparison.

    sides   : one row per run, metric, threshold, grouping and group: the rate with its own interval
    paired  : one row per other run, metric, threshold, grouping and group: its difference from the first run
    changes : one row per other run, metric, threshold, grouping and pair of ranked groups: the change of the gap
    notes   : sentences on what could not be compared
    """

    sides: pd.DataFrame
    paired: pd.DataFrame
    changes: pd.DataFrame
    notes: tuple[str, ...]


def compared(runs: Together, *, min_subjects: int, level: float, seed: int = 0) -> Compared:
    """All three tables; `seed` determines the resamples of people, shared by all metrics of a grouping and two runs.

    Alpha, primary family, sampling units and the scales of the margins are those of the first run; margins are not tested. If
    the ratio of a gap is undefined (a rate without errors), the difference is compared, and the row says so.
    """
    record = runs.runs[0].record
    sides: list[dict[str, Any]] = []
    paired: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    notes = unit_notes(runs)
    for grouping in runs.groupings:
        cells = cells_of(runs.manifest, grouping)
        for other in range(1, len(runs.runs)):
            rng = np.random.default_rng([seed, other])
            found = list(families(runs, other, cells, min_subjects, level, notes))
            sides += [row for place, entries in found for row in side_rows(place, entries, both=other == 1)]
            for place, entries in found:
                resampled = Resampled.of(entries, np.random.default_rng(rng.integers(2**63)))
                is_ratio = margin_of(record, place.metric).is_ratio
                paired += paired_rows(place, entries, resampled, level, is_ratio=is_ratio)
                changes += change_rows(place, entries, resampled, level, is_ratio=is_ratio) if grouping else []
    return Compared(
        pd.DataFrame(sides),
        adjusted(pd.DataFrame(paired), runs.runs[0], partial(paired_verdict, alpha=record.alpha)),
        adjusted(pd.DataFrame(changes), runs.runs[0], partial(change_verdict, alpha=record.alpha)),
        tuple(dict.fromkeys(notes)),
    )


def unit_notes(runs: Together) -> list[str]:
    """The sampling unit if it is not the person, and the runs that used another one."""
    cluster = runs.runs[0].record.cluster
    notes = (
        [f"the sampling unit is defined by {' and '.join(cluster)}, as in --cluster of the first run"]
        if cluster
        else []
    )
    for label, run in zip(runs.labels[1:], runs.runs[1:], strict=True):
        if run.record.cluster != cluster:
            own = " and ".join(run.record.cluster) or "the person"
            notes.append(f"{label} used a different sampling unit ({own}); that of the first run is used for both")
    return notes


# ---- metrics of both runs ----


def families(
    runs: Together, other: int, cells: Cells, min_subjects: int, level: float, notes: list[str]
) -> Iterator[tuple[Place, list[Entry]]]:
    """Every metric that both runs have, with the entries of the groups of one grouping."""
    first, second = runs.runs[0], runs.runs[other]
    names = runs.labels[0], runs.labels[other]
    family = "*".join(cells.grouping)
    here, there = run_metrics(first), run_metrics(second)
    for metric in here:
        if metric not in there:
            notes.append(f"{names[1]} has no {metric}")
            continue
        place = Place(
            metric, names[0], model_of(first, metric), math.nan, names[1], model_of(second, metric), math.nan, family
        )
        arrays = [tuple(array[runs.rows[k]] for array in found[metric]) for k, found in ((0, here), (other, there))]
        yield (
            place,
            [
                image_entry(str(group), cells.codes == k, known, arrays, runs.subjects, runs.units, min_subjects, level)
                for k, (group, known) in enumerate(zip(cells.groups, cells.known, strict=True))
            ],
        )
    pairs, also = runs.comparisons(0), runs.comparisons(other)
    if pairs is None or also is None:
        return
    pairs, also = evaluated_by_both(pairs, also)
    for point, opposite in matching_points(first, second, names[1], notes):
        for metric in (metric.name for metric in PAIR_METRICS):
            if (
                metric_of(metric).counts_lost
                and pairs.enrolled[pairs.counted].all()
                and also.enrolled[also.counted].all()
            ):
                continue  # no image was lost, so these equal fmr and fnmr
            place = Place(
                metric,
                names[0],
                model_of(first, metric),
                point.threshold,
                names[1],
                model_of(second, metric),
                opposite.threshold,
                family,
            )
            yield (
                place,
                [
                    pair_entry(
                        str(group),
                        cells.codes == k,
                        known,
                        metric,
                        (pairs, pairs.cut(point)),
                        (also, also.cut(opposite)),
                        min_subjects,
                        level,
                    )
                    for k, (group, known) in enumerate(zip(cells.groups, cells.known, strict=True))
                ],
            )


def matching_points(first: Run, second: Run, label: str, notes: list[str]) -> list[tuple[Operating, Operating]]:
    """Corresponding thresholds of two runs: those for the same target FMR, otherwise in the given order."""
    here, there = operating_of(first), operating_of(second)
    found = [
        (point, opposite)
        for point in here
        for opposite in [next((entry for entry in there if set(entry.targets) & set(point.targets)), None)]
        if opposite is not None
    ]
    if found:
        return found
    paired = list(zip(here, there, strict=False))
    said = "; ".join(f"{a.threshold:.4g} ({a.source}) with {b.threshold:.4g} ({b.source})" for a, b in paired)
    notes.append(f"{label} and the first run share no target FMR; thresholds are paired in order: {said or 'none'}")
    return paired


def image_entry(
    group: str,
    inside: BoolArray,
    known: bool,
    arrays: Sequence[tuple[BoolArray, ...]],
    subjects: IntArray,
    units: IntArray | None,
    min_subjects: int,
    level: float,
) -> Entry:
    """A group's rate of single images in both runs, over the images that are trials in both."""
    (trials_a, errors_a), (trials_b, errors_b) = arrays
    trials = trials_a & trials_b & inside
    a, b = (of_images(trials, errors, subjects, units, inside, level) for errors in (errors_a, errors_b))
    varying = subjects if units is None else units
    found = paired_errors(errors_a[trials], errors_b[trials], varying[trials], level=level)
    ranked = known and a.rate.people >= min_subjects
    return Entry(group, ranked, a, b, found.only_a, found.only_b, found.p, found.low, found.high, found.method)


def pair_entry(
    group: str,
    inside: BoolArray,
    known: bool,
    metric: str,
    first: tuple[Comparisons, Cut],
    second: tuple[Comparisons, Cut],
    min_subjects: int,
    level: float,
) -> Entry:
    """A group's rate of comparisons in both runs, each with its own threshold."""
    a, b = (of_comparisons(pairs, metric, cut, inside, level) for pairs, cut in (first, second))
    ranked = known and min(a.rate.people, b.rate.people) >= min_subjects
    return Entry(group, ranked, a, b, -1, -1, np.nan, np.nan, np.nan, BOOTSTRAP)


# ---- verdicts ----


def adjusted(rows: pd.DataFrame, first: Run, verdict: Any) -> pd.DataFrame:
    """Rows with Holm's p and a verdict: over the primary family, and for exploratory rows over each family.

    Groups that are not ranked belong to no family.
    """
    if not len(rows):
        return rows
    tested = rows["ranked"] if "ranked" in rows.columns else pd.Series(data=True, index=rows.index)
    found = rows.assign(primary=primary_of(rows, first))
    p = np.full(len(rows), np.nan)
    apart = ["metric", "threshold_a", "family"]
    families = [found[tested & found["primary"]]]
    families += [family for _, family in found[tested & ~found["primary"]].groupby(apart, sort=False, dropna=False)]
    for family in families:
        p[rows.index.get_indexer(family.index)] = holm(family["p"].to_numpy(np.float64))
    found = found.assign(p_adjusted=p)
    return found.assign(verdict=[verdict(row) for row in found.to_dict("records")])


def primary_of(rows: pd.DataFrame, first: Run) -> pd.Series:
    """Whether each row belongs to the primary family of the first run, which includes all people; bool."""
    named = primary_family(first.record, rows["metric"])
    terms = {"", *("*".join(grouping) for grouping in named.groupings)}
    at = [point.threshold for point in first.record.operating[:1]]
    return (
        rows["metric"].isin(named.metrics)
        & rows["family"].isin(terms)
        & (rows["threshold_a"].isna() | rows["threshold_a"].isin(at))
    )


def paired_verdict(row: dict[Any, Any], *, alpha: float) -> str:
    """Whether the other run has more or fewer errors in a group."""
    if not row["ranked"]:
        return FEW
    if not row["primary"]:
        return EXPLORATORY
    if not row["p_adjusted"] <= alpha or row["difference"] == 0:
        return ALIKE
    return MORE if row["difference"] > 0 else FEWER


def change_verdict(row: dict[Any, Any], *, alpha: float) -> str:
    """Whether a gap grew or shrank; a gap that shrank beyond zero may have changed its direction."""
    if not row["primary"]:
        return EXPLORATORY
    if not row["p_adjusted"] <= alpha:
        return ALIKE
    if row["gap_other"] < 0:
        return TURNED
    grew = row["ratio_change"] > 1 if row["ratio_change"] == row["ratio_change"] else row["change"] > 0
    return GREW if grew else SHRANK
