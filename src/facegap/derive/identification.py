"""RATES, GAPS and the CMC of 1:N searches: false negative and false positive identifications.

The group is that of the probe. The gallery is fixed: intervals refer to other probes against the same gallery.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.comparisons import PairRows
from facegap.derive.gaps import Family, RunFamily, known_codes
from facegap.derive.groupings import Cells, Grouping, attribute_columns, attribute_values, cells_of
from facegap.derive.losses import loss_counts
from facegap.derive.margins import margin_of
from facegap.derive.metrics import FNIR, FPIR
from facegap.derive.outcomes import shown_to_a_model
from facegap.derive.results import groupings_of, model_of, rate_row
from facegap.derive.units import subject_codes, units_of_run
from facegap.derive.weights import as_weighted
from facegap.statistics.clusters import clustered_rates, shared_subjects
from facegap.statistics.gaps import gap_family
from facegap.statistics.search import search_errors
from facegap.store.record import IdentificationRecord, Operating
from facegap.store.run import Run, Searched
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray, Rate

GALLERY, PROBE = "gallery", "probe"


@dataclass(frozen=True, eq=False)
class Searches:
    """The searches of a run: n probes with the first L candidates of each.

    rows       : int64 (n,), manifest rows of the probes; probes whose only mates were excluded after review are omitted
    mated      : bool (n,), whether the person was to be enrolled, whatever the outcome of those images
    scores     : float64 (n, L), NaN for an empty position; all positions are empty if the probe's template was lost
    is_mate    : bool (n, L)
    candidates : int64 (n, L), manifest rows of the gallery, -1 for an empty position
    """

    rows: IntArray
    mated: BoolArray
    scores: FloatArray
    is_mate: BoolArray
    candidates: IntArray


@dataclass(frozen=True)
class SearchPoint:
    """One evaluation of candidate lists: a metric, the number of candidates, and the threshold.

    rank      : R of FNIR(N, R, T); None for FPIR(N, T), for which one candidate is sufficient
    threshold : T; NaN for none (closed set: only rank R)
    given     : source of the threshold, in words; empty without one
    gallery   : N, in words
    """

    metric: str
    rank: int | None
    threshold: float
    given: str
    gallery: str

    @property
    def source(self) -> str:
        """Source of the threshold, R and N: threshold_from of RATES."""
        rank = () if self.rank is None else (f"rank {self.rank}",)
        return "; ".join((self.given or "no threshold", *rank, self.gallery))

    def family(self, grouping: Grouping) -> str:
        """Return the name of the family of its gaps: each rank at a threshold has its own family."""
        return "*".join(grouping) + ("" if self.rank is None else f", rank {self.rank}")


def search_rates(run: Run, searched: Searched) -> list[dict[str, Any]]:
    """Rows of RATES: one per group for each grouping and evaluation, with counts of probes and their people."""
    outcomes = outcomes_of(run, searched)
    attributes, subjects = attribute_columns(groupings_of(run)), subject_codes(run.manifest)
    units = units_of_run(run)
    return [
        rate_row(point.metric, model_of(run, point.metric), group, attributes, rate, point.threshold, point.source)
        for point, trials, errors in outcomes
        for grouping in groupings_of(run)
        for cells in [cells_of(run.manifest, grouping)]
        for group, rate in zip(
            cells.groups, group_rates(cells, trials, errors, subjects, run.record.level, units), strict=True
        )
    ]


def search_gaps(run: Run, searched: Searched) -> list[RunFamily]:
    """One family per grouping and evaluation, over the groups with known labels."""
    subjects, units = subject_codes(run.manifest), units_of_run(run)
    lost = lost_searches(run, searched)
    return [
        RunFamily(
            grouping, search_family(run, point, cells, trials, errors, lost[point.metric] & trials, subjects, units)
        )
        for point, trials, errors in outcomes_of(run, searched)
        for grouping in groupings_of(run)[1:]
        for cells in [cells_of(run.manifest, grouping)]
    ]


def lost_searches(run: Run, searched: Searched) -> dict[str, BoolArray]:
    """For each metric, which rows of the manifest are searches that could not find anything, bool (manifest rows,).

    The probe has no template or, for FNIR, none of the person's gallery images has one. The gallery is fixed: false
    positives that a lost gallery image might have caused are not counted.
    """
    people, lost = subject_codes(run.manifest), (run.faces["outcome"] != "ok").to_numpy(np.bool_)
    there = people[(roles_shown(run, searched) == GALLERY) & ~lost]
    return {FNIR.name: lost | ~np.isin(people, there), FPIR.name: lost}


def search_family(
    run: Run,
    point: SearchPoint,
    cells: Cells,
    trials: BoolArray,
    errors: BoolArray,
    lost: BoolArray,
    subjects: IntArray,
    units: IntArray | None = None,
) -> Family:
    """The gaps of one grouping for one evaluation. trials, errors, lost, subjects, units : (manifest rows,)."""
    codes, level = known_codes(cells, trials), run.record.level
    groups = [str(group) for group, known in zip(cells.groups, cells.known, strict=True) if known]
    found = clustered_rates(errors, None, subjects, codes, n_cells=len(groups), level=level, units=units)
    found = as_weighted(found, run.record)
    margin = margin_of(run.record, point.metric)
    correlation = shared_subjects(errors, subjects if units is None else units, codes, len(groups))
    family = gap_family(
        groups,
        found.errors,
        found.trials,
        found.subjects,
        found.effective_trials,
        margin=margin.size,
        scale=margin.scale,
        alpha=run.record.alpha,
        metric=point.metric,
        model=model_of(run, point.metric),
        threshold=point.threshold,
        threshold_from=point.source,
        family=point.family(cells.grouping),
        level=level,
        minimum_subjects=run.record.min_subjects,
        correlation=correlation,
        effective_subjects=found.effective_subjects,
        rates=found.value,
        dominated_by=found.dominated_by,
    )
    return Family(family, tuple(groups), found, correlation, loss_counts(codes, errors, lost, len(groups)))


def group_rates(
    cells: Cells,
    trials: BoolArray,
    errors: BoolArray,
    subjects: IntArray,
    level: float,
    units: IntArray | None = None,
) -> list[Rate]:
    """The rate of each group of a grouping. trials, errors, subjects, units : (manifest rows,)."""
    codes = np.where(trials, cells.codes, -1)
    return clustered_rates(errors, None, subjects, codes, n_cells=len(cells.groups), level=level, units=units).rows()


def cmc_table(run: Run, searched: Searched) -> pd.DataFrame:
    """The CMC by group: the proportion of mated probes whose mate is among the first `rank` candidates, for every rank.

    gallery (images to enrol), mated and non_mated (probes) refer to the row's group; value, low and high to identified / mated.
    """
    attributes, subjects = attribute_columns(groupings_of(run)), subject_codes(run.manifest)
    searches, units = searches_of(run, searched), units_of_run(run)
    missed = {
        rank: outcome(run, searches, SearchPoint(FNIR.name, rank, math.nan, "", ""))
        for rank in range(1, max(search_record(run).ranks) + 1)
    }
    non_mated = np.zeros(len(run.manifest), np.bool_)
    non_mated[searches.rows[~searches.mated]] = True
    rows = []
    for cells in (cells_of(run.manifest, grouping) for grouping in groupings_of(run)):
        sizes = [
            np.bincount(cells.codes[who], minlength=len(cells.groups))
            for who in (roles_shown(run, searched) == GALLERY, non_mated)
        ]
        rates = {rank: group_rates(cells, *found, subjects, run.record.level, units) for rank, found in missed.items()}
        for k, group in enumerate(cells.groups):
            first = {
                "model": model_of(run, FNIR.name),
                **attribute_values(group, attributes),
                "gallery": int(sizes[0][k]),
                "non_mated": int(sizes[1][k]),
            }
            rows += [{**first, "rank": rank, **identified(found[k])} for rank, found in rates.items()]
    return pd.DataFrame(rows)


def identified(missed: Rate) -> dict[str, Any]:
    """The identification rate, from the miss rate."""
    return {
        "mated": missed.trials,
        "subjects": missed.subjects,
        "identified": missed.trials - missed.errors,
        "value": 1 - missed.value,
        "low": 1 - missed.high,
        "high": 1 - missed.low,
        "level": missed.level,
        "method": missed.method,
    }


def outcomes_of(run: Run, searched: Searched) -> list[tuple[SearchPoint, BoolArray, BoolArray]]:
    """Every evaluation of a run with its trials and errors, bool (manifest rows,) each."""
    searches = searches_of(run, searched)
    return [(point, *outcome(run, searches, point)) for point in search_points(run, searched)]


def outcome(run: Run, searches: Searches, point: SearchPoint) -> tuple[BoolArray, BoolArray]:
    """Which rows of the manifest are trials, and which of these are errors.

    Mated probes are trials of fnir, non-mated probes of fpir. A probe without a template is also a trial: a miss in
    fnir, no error in fpir. Ties are resolved against the system.
    """
    found = search_errors(
        searches.scores,
        searches.is_mate,
        searches.mated,
        threshold=-math.inf if math.isnan(point.threshold) else point.threshold,
        max_rank=point.rank or 1,
    )
    chosen = searches.mated if point.metric == FNIR.name else ~searches.mated
    trials, errors = np.zeros(len(run.manifest), np.bool_), np.zeros(len(run.manifest), np.bool_)
    trials[searches.rows[chosen]] = True
    errors[searches.rows[chosen]] = found.missed if point.metric == FNIR.name else found.false_positive
    return trials, errors


def search_points(run: Run, searched: Searched) -> list[SearchPoint]:
    """The evaluations of a run: each rank without a threshold, then FNIR at each rank and FPIR at every threshold."""
    stated, gallery = search_record(run), gallery_in_words(run, searched)
    return list(points_at(stated.ranks, [*run.record.operating, *stated.operating], gallery))


def points_at(ranks: Sequence[int], operating: Sequence[Operating], gallery: str) -> Iterator[SearchPoint]:
    """`search_points` at some ranks and thresholds."""
    for rank in ranks:
        yield SearchPoint(FNIR.name, rank, math.nan, "", gallery)
    for point in operating:
        for rank in ranks:
            yield SearchPoint(FNIR.name, rank, point.threshold, point.source, gallery)
        yield SearchPoint(FPIR.name, None, point.threshold, point.source, gallery)


def search_record(run: Run) -> IdentificationRecord:
    """The record of searches in run.json, for a run with searches."""
    assert run.record.identification is not None
    return run.record.identification


def gallery_in_words(run: Run, searched: Searched) -> str:
    """N in words: images and people of the gallery, and gallery images without a template."""
    inside = roles_shown(run, searched) == GALLERY
    lost = int((inside & (run.faces["outcome"] != "ok").to_numpy(np.bool_)).sum())
    people = run.manifest["subject"].to_numpy()[inside]
    words = f"gallery of {int(inside.sum())} {run.counted} of {len(set(people))} people"
    return f"{words}, {lost} without a template" if lost else words


def searches_of(run: Run, searched: Searched) -> Searches:
    """The stored lists, one row per probe, including lost templates."""
    people, roles = subject_codes(run.manifest), roles_shown(run, searched)
    excluded = run.matched.excluded if run.matched is not None else np.empty((0, 2), np.int64)
    mates, reviewed = mates_of(roles, people, excluded)
    counted = (roles == PROBE) & ((mates == 0) | (mates > reviewed))
    rows = np.flatnonzero(counted)
    place = np.full(len(people), -1, np.int64)
    place[rows] = np.arange(len(rows))
    lists = searched.lists
    probe, gallery = lists["probe"].to_numpy(np.int64), lists["gallery"].to_numpy(np.int64)
    inside = place[probe] >= 0
    line, column = place[probe[inside]], lists["rank"].to_numpy(np.int64)[inside] - 1
    scores = np.full((len(rows), max(search_record(run).ranks) + 1), np.nan)
    scores[line, column] = lists["score"].to_numpy(np.float64)[inside]
    is_mate = np.zeros(scores.shape, np.bool_)
    is_mate[line, column] = people[probe[inside]] == people[gallery[inside]]
    candidates = np.full(scores.shape, -1, np.int64)
    candidates[line, column] = gallery[inside]
    return Searches(rows, mates[rows] > 0, scores, is_mate, candidates)


def roles_shown(run: Run, searched: Searched) -> AnyArray:
    """The roles of the manifest rows; empty for a row whose picture was not shown to a model. text (rows,)."""
    return np.where(shown_to_a_model(run.faces), searched.roles, "")


def mates_of(roles: AnyArray, people: IntArray, excluded: PairRows) -> tuple[IntArray, IntArray]:
    """For each manifest row, numbers of enrolled and of excluded images of its person, including lost ones.

    roles, people : (rows,)
    returns       : int64 (rows,) each; a probe whose mates were all excluded is neither mated nor non-mated
    """
    enrolled = np.bincount(people[roles == GALLERY], minlength=int(people.max(initial=-1)) + 1)[people]
    both_ways = np.concatenate([excluded, excluded[:, ::-1]])
    genuine = people[both_ways[:, 0]] == people[both_ways[:, 1]]
    pairs = np.unique(both_ways[genuine & (roles[both_ways[:, 1]] == GALLERY)], axis=0)
    return enrolled, np.bincount(pairs[:, 0], minlength=len(people))
