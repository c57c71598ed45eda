"""Models side by side on the same people: their rates, the paired differences, and the gaps that grew or shrank.

Every other run is set against the first. The primary family of the first run is what is tested together: in all other runs
everybody and all ranked groups, and by themselves all pairs of these. Whatever else is set side by side is exploratory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from facegap.compare.resampling import Measured, of_comparisons, of_images
from facegap.compare.shared_people import Together, judged_by_both
from facegap.derive.comparisons import Comparisons
from facegap.derive.cuts import Cut
from facegap.derive.groupings import Cells, cells_of
from facegap.derive.margins import margin_of
from facegap.derive.metrics import PAIR_METRICS, metric_of
from facegap.derive.primary import primary_family
from facegap.derive.results import model_of, run_metrics
from facegap.derive.run import operating_of
from facegap.statistics.paired_bootstrap import (
    AnyRate,
    Contrast,
    PersonRate,
    contrast,
    joint_replicates,
    strata_of,
    with_two_more,
)
from facegap.statistics.paired_errors import paired_errors
from facegap.statistics.verdicts import EXPLORATORY, holm
from facegap.store.record import Operating
from facegap.store.run import Run
from facegap.types import BoolArray, FloatArray, IntArray

BOOTSTRAP = "joint subject bootstrap"
MORE, FEWER, ALIKE, FEW = "more errors", "fewer errors", "no significant difference", "too few people"
GREW, SHRANK, TURNED = "grew", "shrank", "shrank or turned round"
MOST_RANKED = 40  # groups of a grouping whose gaps are set against each other, as in the cross-group matrix


@dataclass(frozen=True)
class Compared:
    """What comes out, as frames.

    sides   : one row per run, metric, threshold, grouping and group: the rate with its own interval
    paired  : one row per other run, metric, threshold, grouping and group: its difference to the first run
    changes : one row per other run, metric, threshold, grouping and pair of ranked groups: how the gap changed
    notes   : sentences on what could not be set side by side
    """

    sides: pd.DataFrame
    paired: pd.DataFrame
    changes: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where a row belongs: metric, the two runs with their models and thresholds, and the groups of one grouping."""

    metric: str
    run_a: str
    model_a: str
    threshold_a: float
    run_b: str
    model_b: str
    threshold_b: float
    family: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One group of one metric in two runs; only_a and only_b are -1 where the rate is over pairs of people."""

    group: str
    ranked: bool
    a: Measured
    b: Measured
    only_a: int
    only_b: int
    p: float
    low: float
    high: float
    method: str


def compared(runs: Together, *, min_subjects: int, level: float, seed: int = 0) -> Compared:
    """All three tables; `seed` decides the draws of people, the same for every metric of a grouping and two runs.

    Alpha, primary family, sampling units and the scales of the margins are those of the first run; no margin is judged. A gap
    whose ratio is not defined (a rate without errors) is compared by difference, and its row says so.
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
                drawn = Drawn.of(entries, np.random.default_rng(rng.integers(2**63)))
                is_ratio = margin_of(record, place.metric).is_ratio
                paired += paired_rows(place, entries, drawn, level, is_ratio=is_ratio)
                changes += change_rows(place, entries, drawn, level, is_ratio=is_ratio) if grouping else []
    return Compared(
        pd.DataFrame(sides),
        adjusted(pd.DataFrame(paired), runs.runs[0], partial(paired_verdict, alpha=record.alpha)),
        adjusted(pd.DataFrame(changes), runs.runs[0], partial(change_verdict, alpha=record.alpha)),
        tuple(dict.fromkeys(notes)),
    )


def unit_notes(runs: Together) -> list[str]:
    """What the sampling unit is where it is not the person, and which runs have another."""
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


# ---- what is measured in both ----


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
    pairs, also = judged_by_both(pairs, also)
    for point, opposite in matching_points(first, second, names[1], notes):
        for metric in (metric.name for metric in PAIR_METRICS):
            if (
                metric_of(metric).counts_lost
                and pairs.enrolled[pairs.counted].all()
                and also.enrolled[also.counted].all()
            ):
                continue  # nobody was lost, so these are fmr and fnmr again
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
    """Thresholds of two runs that answer to each other: found for one target FMR, else in the order they were given."""
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
    """A group's rate of comparisons in both runs, each where it accepts."""
    a, b = (of_comparisons(pairs, metric, cut, inside, level) for pairs, cut in (first, second))
    ranked = known and min(a.rate.people, b.rate.people) >= min_subjects
    return Entry(group, ranked, a, b, -1, -1, np.nan, np.nan, np.nan, BOOTSTRAP)


# ---- joint draws ----


@dataclass(frozen=True, eq=False)
class Drawn:
    """The rates of all groups in two runs, a first, and their replicates under the same draws of people.

    rates      : a of every group, then b of every group
    replicates : float64 [B, 2 G]
    disjoint   : disjoint pairs of people of each
    """

    rates: list[AnyRate]
    replicates: FloatArray
    disjoint: list[int]

    @classmethod
    def of(cls, entries: Sequence[Entry], rng: np.random.Generator) -> Drawn:
        """Draw people for these groups."""
        member = np.stack([(persons(entry.a.joint) > 0) | (persons(entry.b.joint) > 0) for entry in entries], axis=1)
        groups, pairs = len(entries), [(entry.a.joint, entry.b.joint) for entry in entries]
        extended = isinstance(pairs[0][0], PersonRate)
        if extended:
            pairs = [
                with_two_more(a, b, group=k, groups=groups)
                for k, (a, b) in enumerate(pairs)
                if isinstance(a, PersonRate) and isinstance(b, PersonRate)
            ]
        rates: list[AnyRate] = [pair[side] for side in (0, 1) for pair in pairs]
        strata = strata_of(member, extended=extended)
        disjoint = [
            measured.disjoint for side in ("a", "b") for measured in (getattr(entry, side) for entry in entries)
        ]
        return cls(rates, joint_replicates(rates, strata, rng=rng), disjoint)

    def contrast(self, places: Sequence[int], signs: Sequence[float], *, logarithmic: bool, level: float) -> Contrast:
        """A sum of some of the rates with signs."""
        chosen = list(places)
        return contrast(
            [self.rates[k] for k in chosen],
            self.replicates[:, chosen],
            signs,
            logarithmic=logarithmic,
            level=level,
            disjoint=[self.disjoint[k] for k in chosen],
        )


def persons(rate: AnyRate) -> FloatArray:
    """Per person more than 0 where it takes part in a rate, float64 [S]."""
    if isinstance(rate, PersonRate):
        return rate.trials
    if rate.images is not None:
        return rate.images
    return np.bincount(rate.tried.ravel(), minlength=rate.people).astype(np.float64)


# ---- rows ----


def side_rows(place: Place, entries: Sequence[Entry], *, both: bool) -> list[dict[str, Any]]:
    """The rates of each run by themselves; those of the first run only once."""
    rows = []
    for side, label, model, threshold in (
        ("a", place.run_a, place.model_a, place.threshold_a),
        ("b", place.run_b, place.model_b, place.threshold_b),
    ):
        if side == "a" and not both:
            continue
        for entry in entries:
            measured: Measured = getattr(entry, side)
            rows.append(
                {
                    "run": label,
                    "model": model,
                    "metric": place.metric,
                    "threshold": threshold,
                    "family": place.family,
                    "group": entry.group,
                    "ranked": entry.ranked,
                    **asdict(measured.rate),
                    "value": measured.rate.value,
                }
            )
    return rows


def paired_rows(
    place: Place, entries: Sequence[Entry], drawn: Drawn, level: float, *, is_ratio: bool
) -> list[dict[str, Any]]:
    """One row per group: the other run's rate less, and where rates are compared so over, that of the first."""
    return [
        paired_row(place, entry, k, len(entries), drawn, level, is_ratio=is_ratio) for k, entry in enumerate(entries)
    ]


def paired_row(
    place: Place, entry: Entry, k: int, groups: int, drawn: Drawn, level: float, *, is_ratio: bool
) -> dict[str, Any]:
    """One group; p is that of the difference, which tests the same as the ratio does."""
    places, signs = (k, groups + k), (-1.0, 1.0)
    difference = Contrast(entry.b.rate.value - entry.a.rate.value, entry.low, entry.high, entry.p, 0.0)
    ratio = Contrast(np.nan, np.nan, np.nan, np.nan, 0.0)
    if entry.method == BOOTSTRAP and entry.a.rate.trials and entry.b.rate.trials:
        plain = drawn.contrast(places, signs, logarithmic=False, level=level)
        difference = Contrast(difference.value, plain.low, plain.high, plain.p, plain.carriers)
    values = entry.a.rate.value, entry.b.rate.value
    if is_ratio and min(values) > 0:
        ratio = drawn.contrast(places, signs, logarithmic=True, level=level)
    return {
        **asdict(place),
        "group": entry.group,
        "ranked": entry.ranked,
        **counts_of(entry),
        "only_a": entry.only_a,
        "only_b": entry.only_b,
        "difference": difference.value,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "ratio": values[1] / values[0] if ratio.p == ratio.p else np.nan,
        "ratio_low": math.exp(ratio.low),
        "ratio_high": math.exp(ratio.high),
        "p": difference.p,
        "method": entry.method,
    }


def counts_of(entry: Entry) -> dict[str, Any]:
    """Errors, trials and people of both sides."""
    return {
        "subjects": min(entry.a.rate.subjects, entry.b.rate.subjects),
        "errors_a": entry.a.rate.errors,
        "trials_a": entry.a.rate.trials,
        "errors_b": entry.b.rate.errors,
        "trials_b": entry.b.rate.trials,
    }


def change_rows(
    place: Place, entries: Sequence[Entry], drawn: Drawn, level: float, *, is_ratio: bool
) -> list[dict[str, Any]]:
    """One row per pair of ranked groups, the group that is worse in the first run in front."""
    ranked = [k for k, entry in enumerate(entries) if entry.ranked][:MOST_RANKED]
    return [change_row(place, entries, g, h, drawn, level, is_ratio=is_ratio) for g, h in combinations(ranked, 2)]


def change_row(
    place: Place, entries: Sequence[Entry], g: int, h: int, drawn: Drawn, level: float, *, is_ratio: bool
) -> dict[str, Any]:
    """How the gap between two groups changed: that of the other run less, or over, that of the first."""
    gap = entries[g].a.rate.value - entries[h].a.rate.value
    after = entries[g].b.rate.value - entries[h].b.rate.value
    if gap < 0 or (gap == 0 and after < 0):
        g, h, gap, after = h, g, -gap, -after
    count = len(entries)
    places, signs = (g, h, count + g, count + h), (-1.0, 1.0, 1.0, -1.0)
    plain = drawn.contrast(places, signs, logarithmic=False, level=level)
    values = [entries[k].a.rate.value for k in (g, h)] + [entries[k].b.rate.value for k in (g, h)]
    ratio = drawn.contrast(places, signs, logarithmic=True, level=level) if is_ratio and min(values) > 0 else None
    ratio = None if ratio is not None and math.isnan(ratio.p) else ratio
    return {
        **asdict(place),
        "group_a": entries[g].group,
        "group_b": entries[h].group,
        "scale": "ratio" if ratio else "difference",
        "subjects_a": counts_of(entries[g])["subjects"],
        "subjects_b": counts_of(entries[h])["subjects"],
        "gap_first": gap,
        "gap_other": after,
        "change": after - gap,
        "change_low": plain.low,
        "change_high": plain.high,
        "ratio_first": over(values[0], values[1]),
        "ratio_other": over(values[2], values[3]),
        "ratio_change": over(over(values[2], values[3]), over(values[0], values[1])) if ratio else np.nan,
        "ratio_change_low": math.exp(ratio.low) if ratio else np.nan,
        "ratio_change_high": math.exp(ratio.high) if ratio else np.nan,
        "p": ratio.p if ratio else plain.p,
    }


def over(value: float, other: float) -> float:
    """value / other; NaN where other is 0 or either is unknown."""
    return value / other if other else np.nan


# ---- verdicts ----


def adjusted(rows: pd.DataFrame, first: Run, verdict: Any) -> pd.DataFrame:
    """Rows with Holm's p and a verdict: over the primary family, and for exploratory rows over each family of theirs.

    Groups that are not ranked are in no family.
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
    """Which rows are of the primary family of the first run, everybody included, bool."""
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
    """Whether a gap grew or shrank; one that shrank past none may be a gap the other way round."""
    if not row["primary"]:
        return EXPLORATORY
    if not row["p_adjusted"] <= alpha:
        return ALIKE
    if row["gap_other"] < 0:
        return TURNED
    grew = row["ratio_change"] > 1 if row["ratio_change"] == row["ratio_change"] else row["change"] > 0
    return GREW if grew else SHRANK
