"""Decisions that flip if one model replaces another, at the threshold of the first run, by group.

A comparison flips if exactly one of the two runs accepts it. Both use the threshold of the first run, because a deployed
threshold stays unchanged. A prediction flips if the two classifiers disagree on an image. Trials are the comparisons or
images that both runs have.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from facegap.compare.differences import adjusted, pair_entry, paired_verdict
from facegap.compare.joint_rows import Place, Resampled, paired_rows
from facegap.compare.same_pairs import CUT, SamePairs, same_pairs
from facegap.compare.shared_people import Together
from facegap.derive.answers import RIGHT
from facegap.derive.gaps import known_codes
from facegap.derive.groupings import Cells, cells_of
from facegap.derive.margins import margin_of
from facegap.derive.metrics import ERROR_RATE_ALL, FMR, FNMR, PAIR_METRICS
from facegap.derive.primary import primary_family
from facegap.derive.results import model_of
from facegap.derive.run import operating_of
from facegap.derive.verification import GroupRates, rate_of_group, verification_families
from facegap.errors import StatisticsError
from facegap.statistics.clusters import clustered_rates, shared_subjects
from facegap.statistics.gap_families import GapFamily
from facegap.statistics.gaps import gap_family, jointly_tested
from facegap.statistics.verdicts import UNKNOWN, WITHIN
from facegap.store.record import Operating
from facegap.store.run import Run
from facegap.types import BoolArray, Gap, Rate

METRICS = {"genuine": FNMR, "impostor": FMR}  # the metric whose rate and margin apply to each kind of comparison
GENDER = "gender"
NO_ORIGIN = ""


@dataclass(frozen=True)
class Flips:
    """Tables of flips; empty if nothing can flip.

    groups : one row per other run, kind, threshold, grouping and group: flips in both directions
    gaps   : GAPS of the proportion of flips, one row per pair of groups, with the other run and the kind
    fixed  : as paired.csv: FMR and FNMR of both runs at the threshold of the first
    notes  : sentences on what could not be computed
    """

    groups: pd.DataFrame
    gaps: pd.DataFrame
    fixed: pd.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Family:
    """The gaps of one kind, threshold and grouping in one other run.

    lost : for each group, the proportion of its trials that exactly one run lost
    """

    run_b: str
    kind: str
    cells: Cells
    is_first_point: bool
    gaps: GapFamily
    lost: Mapping[str, float]


def flips_of(runs: Together, *, min_subjects: int, level: float, seed: int = 0) -> Flips:
    """Flips between the first run and each other one; `seed` determines the resamples of people for `fixed`."""
    record = runs.runs[0].record
    groups: list[dict[str, Any]] = []
    fixed: list[dict[str, Any]] = []
    found: list[Family] = []
    notes: list[str] = []
    for other in range(1, len(runs.runs)):
        for name in shared_answers(runs, other):
            for cells in all_cells(runs):
                rows, family = answer_flips(runs, other, name, cells)
                groups += rows
                found += [family] if family is not None else []
        if may_share_scores(runs.runs[0], runs.runs[other]):
            pairs = same_pairs(runs, other)
            if pairs is not None and not pairs.one_design:
                notes.append(
                    f"{runs.labels[other]}: no flips or drift of non-mated comparisons: one run compared listed "
                    f"pairs and the other all pairs"
                )
            for point in points_of(runs.runs[0]) if pairs is not None else ():
                assert pairs is not None
                try:
                    rows, families = pair_flips(runs, other, pairs, point)
                    groups += rows
                    found += families
                    fixed += fixed_rows(runs, other, pairs, point, min_subjects, level, seed)
                except StatisticsError as error:
                    notes.append(f"{runs.labels[other]}: no flips at {point.threshold:.4g}: {error}")
    verdict = partial(paired_verdict, alpha=record.alpha)
    return Flips(
        pd.DataFrame(groups),
        gap_frame(runs.runs[0], found),
        adjusted(pd.DataFrame(fixed), runs.runs[0], verdict),
        tuple(notes),
    )


def all_cells(runs: Together) -> Iterator[Cells]:
    """The cells of every grouping, starting with all people."""
    return (cells_of(runs.manifest, grouping) for grouping in runs.groupings)


def points_of(run: Run) -> list[Operating]:
    """The numeric thresholds of a run."""
    return [point for point in operating_of(run) if math.isfinite(point.threshold)]


def may_share_scores(first: Run, other: Run) -> bool:
    """Whether two runs may have used the same model in two forms, according to their records; true if unknown."""
    return len({origin_of(run) for run in (first, other)} - {NO_ORIGIN}) <= 1


def origin_of(run: Run) -> str:
    """sha256 of an embedder's file, or of the file it was made from; empty if unknown."""
    name, used = run.record.models.get("embed", ""), run.record.execution
    made = used.variants.get(name)
    return used.models.get(name, NO_ORIGIN) if made is None else made.parent_sha256


# ---- predictions of a classifier ----


def shared_answers(runs: Together, other: int) -> list[str]:
    """Predictions that both runs have: gender, and outputs by name."""
    first, second = runs.runs[0], runs.runs[other]
    found = [GENDER] if first.record.classes and second.record.classes else []
    names = {output.name for output in second.record.outputs}
    return found + [output.name for output in first.record.outputs if output.name in names]


def answers_of(run: Run, name: str) -> tuple[pd.Series, BoolArray]:
    """The predictions for a question by row, empty for none, and whether each is correct; False without a label."""
    rows = run.predictions
    if name == GENDER:
        return rows["prediction"], ((rows["prediction"] == rows["label"]) & (rows["label"] != "")).to_numpy(np.bool_)
    return rows[f"{name}_answer"], (rows[f"{name}_outcome"] == RIGHT).to_numpy(np.bool_)


def answer_flips(runs: Together, other: int, name: str, cells: Cells) -> tuple[list[dict[str, Any]], Family | None]:
    """Images for which the two runs give different predictions."""
    record = runs.runs[0].record
    (said, right), (also, right_too) = (answers_of(runs.runs[k], name) for k in (0, other))
    here, there = (runs.rows[k] for k in (0, other))
    before, after = said.to_numpy()[here], also.to_numpy()[there]
    trials = np.asarray((before != "") & (after != ""), np.bool_)
    flipped = np.asarray(trials & (before != after), np.bool_)
    gained, lost = flipped & right_too[there], flipped & right[here]
    silent = [np.asarray(one, np.bool_) for one in ((before == "") & (after != ""), (before != "") & (after == ""))]
    place = {
        "run_a": runs.labels[0],
        "run_b": runs.labels[other],
        "kind": name,
        "threshold": np.nan,
        "family": "*".join(cells.grouping),
    }
    rates = rates_by_cell(runs, trials, flipped, cells, record.level)
    rows = [
        place
        | counted(
            str(group),
            known,
            rate,
            (int((gained & inside).sum()), int((lost & inside).sum())),
            (int((silent[0] & inside).sum()), int((silent[1] & inside).sum())),
            record.min_subjects,
        )
        for k, (group, known, rate) in enumerate(zip(cells.groups, cells.known, rates, strict=True))
        for inside in [cells.codes == k]
    ]
    if not cells.grouping:
        return rows, None
    family = image_family(runs, trials, flipped, cells, name)
    return rows, Family(runs.labels[other], name, cells, True, family, proportions_lost(rows))


def rates_by_cell(runs: Together, trials: BoolArray, flipped: BoolArray, cells: Cells, level: float) -> list[Rate]:
    """The proportion of flips in each cell."""
    codes = np.where(trials, cells.codes, -1)
    found = clustered_rates(
        flipped, None, runs.subjects, codes, n_cells=len(cells.groups), level=level, units=runs.units
    )
    return list(found.rows())


def image_family(runs: Together, trials: BoolArray, flipped: BoolArray, cells: Cells, name: str) -> GapFamily:
    """The gaps between groups, with the margin of the classifier's error rate."""
    first = runs.runs[0]
    record, margin = first.record, margin_of(first.record, ERROR_RATE_ALL.name)
    codes = known_codes(cells, trials)
    groups = [str(group) for group, known in zip(cells.groups, cells.known, strict=True) if known]
    found = clustered_rates(
        flipped, None, runs.subjects, codes, n_cells=len(groups), level=record.level, units=runs.units
    )
    varying = runs.subjects if runs.units is None else runs.units
    return gap_family(
        groups,
        found.errors,
        found.trials,
        found.subjects,
        found.effective_trials,
        margin=margin.size,
        scale=margin.scale,
        metric=f"flips.{name}",
        model=model_of(first, ERROR_RATE_ALL.name),
        family="*".join(cells.grouping),
        alpha=record.alpha,
        level=record.level,
        minimum_subjects=record.min_subjects,
        correlation=shared_subjects(flipped, varying, codes, len(groups)),
        effective_subjects=found.effective_subjects,
        dominated_by=found.dominated_by,
    )


# ---- comparisons ----


def pair_flips(
    runs: Together, other: int, pairs: SamePairs, point: Operating
) -> tuple[list[dict[str, Any]], list[Family]]:
    """Mated and non-mated comparisons that flip at a threshold; only mated ones if just one of the runs compared a list."""
    first = runs.runs[0]
    record, model = first.record, model_of(first, FNMR.name)
    is_first = point.threshold == points_of(first)[0].threshold
    rows: list[dict[str, Any]] = []
    families: list[Family] = []
    for kind, metric in METRICS.items() if pairs.one_design else [("genuine", FNMR)]:
        listed, before, after = pairs.decisions(kind, pairs.first.cut(point))
        flipped, gained, lost = (
            pairs.as_errors(kind, listed, chosen) for chosen in (before != after, after & ~before, before & ~after)
        )
        for cells in all_cells(runs):
            inside = [cells.codes == k for k in range(len(cells.groups))]
            rates, up, down = (
                [rate_of_group(one, metric, CUT, group, record.level) for group in inside]
                for one in (flipped, gained, lost)
            )
            place = {
                "run_a": runs.labels[0],
                "run_b": runs.labels[other],
                "kind": kind,
                "threshold": point.threshold,
                "family": "*".join(cells.grouping),
            }
            found = [
                place
                | counted(str(group), known, rate, (more.errors, fewer.errors), without_template, record.min_subjects)
                for group, known, rate, more, fewer, without_template in zip(
                    cells.groups, cells.known, rates, up, down, pairs.lost(kind, inside), strict=True
                )
            ]
            rows += found
            # Both runs have all of these templates, so the generalised rates are the same.
            alike = {one.name: rates for one in PAIR_METRICS if one.is_impostor == metric.is_impostor}
            entry = GroupRates(cells, replace(point, threshold=CUT, by_folds=None), CUT, alike)
            families += [
                Family(
                    runs.labels[other],
                    kind,
                    cells,
                    is_first,
                    replace(family.gaps, metric=f"flips.{kind}", threshold=point.threshold),
                    proportions_lost(found),
                )
                for _, name, family in verification_families([entry], flipped, model, record)
                if name == metric.name
            ]
    return rows, families


def counted(
    group: str, known: bool, rate: Rate, flips: tuple[int, int], lost: tuple[int, int], min_subjects: int
) -> dict[str, Any]:
    """The columns of a group. flips : gained and lost; lost : trials lost only by the first run, and only by the other"""
    return {
        "group": group,
        "ranked": known and rate.people >= min_subjects,
        **asdict(rate),
        "flips": rate.errors,
        "value": rate.value,
        "gained": flips[0],
        "lost": flips[1],
        "lost_by_first": lost[0],
        "lost_by_other": lost[1],
    }


def proportions_lost(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """For each group, the proportion of its trials that exactly one run lost; NaN without trials."""
    found = {}
    for row in rows:
        lost = row["lost_by_first"] + row["lost_by_other"]
        found[row["group"]] = lost / (row["trials"] + lost) if row["trials"] + lost else math.nan
    return found


def fixed_rows(
    runs: Together, other: int, pairs: SamePairs, point: Operating, min_subjects: int, level: float, seed: int
) -> Iterator[dict[str, Any]]:
    """FMR and FNMR of both runs at the threshold of the first, paired by person."""
    first, second = runs.runs[0], runs.runs[other]
    cut = pairs.first.cut(point)
    one, also = (replace(side, enrolled=pairs.usable) for side in (pairs.first, pairs.other))
    for cells in all_cells(runs):
        rng = np.random.default_rng([seed, other, len(cells.groups)])
        for metric in METRICS.values():
            place = Place(
                metric.name,
                runs.labels[0],
                model_of(first, metric.name),
                point.threshold,
                runs.labels[other],
                model_of(second, metric.name),
                point.threshold,
                "*".join(cells.grouping),
            )
            entries = [
                pair_entry(
                    str(group), cells.codes == k, known, metric.name, (one, cut), (also, cut), min_subjects, level
                )
                for k, (group, known) in enumerate(zip(cells.groups, cells.known, strict=True))
            ]
            resampled = Resampled.of(entries, rng)
            yield from paired_rows(
                place, entries, resampled, level, is_ratio=margin_of(first.record, metric.name).is_ratio
            )


# ---- verdicts ----


def gap_frame(first: Run, found: list[Family]) -> pd.DataFrame:
    """The gaps of all families: primary groupings at the first threshold are tested together, the others separately."""
    named = primary_family(first.record, [ERROR_RATE_ALL.name, FMR.name, FNMR.name])
    primary = [one for one in found if one.is_first_point and one.cells.grouping in named.groupings]
    tested = dict(zip(map(id, primary), jointly_tested([one.gaps for one in primary]), strict=True)) if primary else {}
    rows = []
    for one in found:
        family = tested.get(id(one)) or jointly_tested([one.gaps], is_primary=False)[0]
        rows += [
            {"run_b": one.run_b, "kind": one.kind, **asdict(gap), "verdict": with_lost(gap, one.lost)}
            for gap in family.rows()
        ]
    return pd.DataFrame(rows)


def with_lost(gap: Gap, lost: Mapping[str, float]) -> str:
    """The verdict; never "within the margin" if the trials lost by one run could hide a larger gap.

    This is the case if a group lost more of its trials than the margin of a difference, or, for a ratio, more than would
    raise the rate by the margin.
    """
    if gap.verdict != WITHIN:
        return gap.verdict
    rates = {gap.group_a: gap.rate_a, gap.group_b: gap.rate_b}
    hidden = any(
        lost[group] > (gap.margin if gap.scale == "difference" else (gap.margin - 1) * rate)
        for group, rate in rates.items()
    )
    return UNKNOWN if hidden else gap.verdict
