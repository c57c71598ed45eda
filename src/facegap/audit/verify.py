"""From templates to counted comparisons: the pairs compared, the thresholds, and the exact counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from facegap.audit.floors import counted_edges, floor_for
from facegap.audit.pair_lists import NO_PAIRS, scored_pairs
from facegap.audit.resolved import ResolvedAudit
from facegap.audit.resumable_counts import ResumableCounter
from facegap.audit.thresholds import (
    IN_SAMPLE,
    Basis,
    Templates,
    elsewhere_in_words,
    folds_in_words,
    operating_points,
    set_aside_in_words,
    transfer_points,
)
from facegap.derive.comparisons import (
    WEIGHT,
    Comparisons,
    PairRows,
    counted_comparisons,
    counted_groups,
    finest_cells,
    listed_comparisons,
    pair_rows,
    without,
)
from facegap.derive.groupings import Cells
from facegap.derive.units import unit_codes
from facegap.errors import StatisticsError
from facegap.matching import FilterChoice, choose_filter, count_scores, with_sampled_range
from facegap.matching.range_sample import SEED
from facegap.store.record import (
    AllPairsRecord,
    ComparisonRecord,
    ListedPairsRecord,
    Operating,
    PlotSample,
    TransferPoint,
)
from facegap.store.run import Matched
from facegap.store.scratch import chunks
from facegap.types import BoolArray, IntArray, ScoreCounts

Counter = Callable[..., ScoreCounts]  # like count_scores
BINS = 1024
PLOT_BINS = 400  # of the histogram over all scores
MOST_COUNTED_WHOLE = 6_000  # templates; above this, counting all pairs for the plot costs more than a sample


@dataclass(frozen=True)
class Matching:
    """The result of matching: the stored comparisons, their section of run.json, and wall-clock ns per counted pair."""

    matched: Matched
    record: ComparisonRecord
    ns_per_pair: float | None = None


def match(
    templates: Templates,
    threshold_set: Templates | None,
    resolved: ResolvedAudit,
    *,
    workers: int,
    counter: Counter | None = None,
) -> Matching:
    """Compare the templates of a run and set its thresholds.

    counter : counts all pairs instead of `count_scores`, with the same integers; None: this process counts

    Raises
    ------
    StatisticsError, MatchingError : if there are too few pairs for a target, or templates are unusable
    """
    elsewhere = None
    if threshold_set is not None and not resolved.given:
        all_rows = np.ones(len(threshold_set.table), np.bool_)
        words = elsewhere_in_words(threshold_set.table["subject"][threshold_set.enrolled], templates.table["subject"])
        elsewhere = basis_of(threshold_set, all_rows, words, resolved, NO_PAIRS, workers=workers, counter=counter)
    if resolved.pairs is not None:
        pairs = scored_pairs(templates, resolved.pairs, workers=workers)
        return listed_matching(pairs, resolved, elsewhere, templates.enrolled)
    return match_all(templates, elsewhere, resolved, workers=workers, counter=counter)


def match_all(
    templates: Templates,
    elsewhere: Basis | None,
    resolved: ResolvedAudit,
    *,
    workers: int,
    counter: Counter | None = None,
) -> Matching:
    """All pairs: first the thresholds, then the exact counts of the evaluation set, with a list long enough for them."""
    settings, excluded = resolved.settings.verify, resolved.excluded.rows
    evaluated = resolved.evaluated
    counted, points, transfer = None, list(resolved.given), list[TransferPoint]()
    if not points:
        basis = elsewhere
        if basis is None and (settings.in_sample or resolved.folds is not None):
            counted = count(templates, evaluated, resolved, excluded, workers=workers, plotted=True, counter=counter)
            own = comparisons_among(templates, counted.counts, evaluated, excluded, resolved)
            words = words_of_own(templates.table["subject"][templates.enrolled], resolved)
            basis = Basis(own, templates.table, words, resolved.target_group, same_people=True)
        elif basis is None:
            words = set_aside_in_words(templates.table["subject"], ~evaluated & templates.enrolled, settings.seed)
            basis = basis_of(templates, ~evaluated, words, resolved, excluded, workers=workers, counter=counter)
        points, transfer = points_of(basis, resolved)
    lowest = min((point.threshold for point in points), default=np.inf)
    if counted is None:
        counted = count(
            templates, evaluated, resolved, excluded, workers=workers, reach=lowest, plotted=True, counter=counter
        )
    counts = counted.counts
    require_reach(counts, points)
    screen = counted.screen
    counted_pairs = AllPairsRecord(
        counts.unknown_pairs, len(excluded), screen.name, screen.components, screen.reason, plot_of(counts)
    )
    record = ComparisonRecord(tuple(points), tuple(transfer), all_pairs=counted_pairs)
    matched = Matched(resolved.roles, excluded, counts, folds=resolved.folds)
    return Matching(matched, record, counted.ns_per_pair)


def plot_of(counts: ScoreCounts) -> PlotSample | None:
    """The sample that represents all pairs in the charts; None if the charts include every pair."""
    full = counts.full_range
    return PlotSample(full.sampled, SEED) if full is not None and full.sampled else None


def points_of(basis: Basis, resolved: ResolvedAudit) -> tuple[list[Operating], list[TransferPoint]]:
    """The thresholds of a run, and those set on each group alone."""
    settings, level = resolved.settings.verify, resolved.settings.groups.level
    return operating_points(basis, settings, level), transfer_points(basis, resolved.groupings, settings, level)


def words_of_own(subjects: pd.Series, resolved: ResolvedAudit) -> str:
    """Name of the subjects on whom a threshold is set if they are also evaluated."""
    if resolved.folds is None:
        return IN_SAMPLE
    return folds_in_words(subjects, int(resolved.folds.max()) + 1, resolved.settings.verify)


def comparisons_among(
    templates: Templates, counts: ScoreCounts, taking_part: BoolArray, excluded: PairRows, resolved: ResolvedAudit
) -> Comparisons:
    """Counts of a threshold set as comparisons, with its sampling units and, if there are any, its folds."""
    columns = [name for name in resolved.settings.groups.cluster if name in templates.table.columns]
    units = unit_codes(templates.table, columns) if columns else None
    folds = resolved.folds if templates.table is resolved.manifest.frame else None
    return counted_comparisons(
        counts, templates.subjects, templates.enrolled, taking_part, excluded, units=units, folds=folds
    )


def basis_of(
    templates: Templates,
    taking_part: BoolArray,
    words: str,
    resolved: ResolvedAudit,
    excluded: PairRows,
    *,
    workers: int,
    counter: Counter | None = None,
) -> Basis:
    """All pairs of a threshold set, counted. taking_part : bool (rows of the table,); words : name of its subjects."""
    counts = count(templates, taking_part, resolved, excluded, workers=workers, counter=counter).counts
    pairs = comparisons_among(templates, counts, taking_part, excluded, resolved)
    return Basis(pairs, templates.table, words, resolved.target_group)


def require_reach(counts: ScoreCounts, points: Sequence[Operating]) -> None:
    """Raise StatisticsError if more impostor pairs reach a threshold than the list can hold; the message says how many."""
    for point in points:
        if point.threshold >= counts.tail_floor or len(counts.tail) == int(counts.impostor_pairs.sum()):
            continue
        below = max(int(np.searchsorted(counts.edges, point.threshold, side="right")) - 1, 0)
        needed = int(counts.impostor[:, :, below:].sum())
        if point.threshold < counts.edges[0]:
            needed = int(counts.impostor_pairs.sum())
        raise StatisticsError(
            f"threshold {point.threshold:.6g} ({point.source}): up to {needed} impostor pairs reach it, but no more "
            f"than "
            f"{counts.tail_limit} are listed (from score {counts.tail_floor:.6g} up); run again with --tail-limit {needed}"
        )


def group_names(cells: Cells) -> list[str]:
    """Distinct names of groups for the counts: the values of their attributes in order."""
    names = ["*".join(value for _, value in group.attributes) or "all" for group in cells.groups]
    return names if len(set(names)) == len(names) else [f"{name} #{k}" for k, name in enumerate(names)]


class Counted(NamedTuple):
    """Exact counts, the filter used, and wall-clock ns per pair, including the choice of filter and the plot.

    ns_per_pair : None without pairs
    """

    counts: ScoreCounts
    screen: FilterChoice
    ns_per_pair: float | None


def count(
    templates: Templates,
    taking_part: BoolArray,
    resolved: ResolvedAudit,
    excluded: PairRows,
    *,
    workers: int,
    reach: float = np.inf,
    plotted: bool = False,
    counter: Counter | None = None,
) -> Counted:
    """Exact counts among the templates that take part; left and right in its lists are positions among these.

    taking_part : bool (rows of the table,)
    excluded    : int64 (m, 2), rows of pairs that are excluded from all counts
    reach       : a score down to which the list of impostor pairs is requested, as far as the tail limit allows
    plotted     : also count a histogram over all scores, from a sample if there are many pairs
    """
    started = time.perf_counter_ns()
    tail_limit = resolved.settings.verify.tail_limit
    inside = taking_part[templates.rows]
    vectors = templates.vectors if inside.all() else templates.vectors[inside]
    rows = templates.rows[inside]
    known = [grouping for grouping in resolved.groupings if set(grouping) <= set(templates.table.columns)]
    cells = counted_groups(templates.table, known)
    floor = min(floor_for(vectors, templates.subjects[rows], tail_limit), max(reach, -1.0))
    whole = plotted and len(rows) <= MOST_COUNTED_WHOLE
    subjects, codes, without_pairs = (
        templates.subjects[rows],
        cells.codes[rows],
        positions(excluded, rows, len(templates.table)),
    )
    row_edges = None
    if plotted and resolved.settings.verify.edge_fmr is not None:
        floor, row_edges = counted_edges(
            vectors, templates.subjects[rows], floor, len(cells.groups), resolved.settings.verify.edge_fmr, BINS
        )
    choice = choose_filter(vectors, floor=floor, full_range=whole)
    counts = (counter or count_scores)(
        vectors,
        subjects,
        codes,
        floor=floor,
        bins=BINS,
        tail_limit=tail_limit,
        names=group_names(cells),
        exclude=without_pairs,
        workers=workers,
        filter=choice.name,
        full_range=PLOT_BINS if whole else None,
        row_edges=row_edges,
    )
    if plotted and not whole:
        counts = with_sampled_range(
            counts, vectors, subjects, codes, bins=PLOT_BINS, exclude=without_pairs, workers=workers
        )
    pairs = len(rows) * (len(rows) - 1) // 2
    took = time.perf_counter_ns() - started
    if isinstance(counter, ResumableCounter):
        took += counter.earlier_ns
    return Counted(counts, choice, round(took / pairs, 3) if pairs else None)


def positions(pairs: PairRows, rows: IntArray, size: int) -> PairRows:
    """Convert pairs of rows of a table of `size` rows to positions among `rows`; pairs with other rows are dropped."""
    place = np.full(size, -1, np.int64)
    place[rows] = np.arange(len(rows))
    found = place[pairs]
    return found[(found >= 0).all(axis=1)]


def listed_matching(
    pairs: pd.DataFrame, resolved: ResolvedAudit, elsewhere: Basis | None, enrolled: BoolArray
) -> Matching:
    """Thresholds for listed pairs: left, right (rows of the manifest), genuine, score, and weight if they are a sample.

    They are set on listed impostor pairs of two subjects of the threshold set, or on a separate set. Pairs between a
    subject of the threshold set and an evaluated one are in neither; the description of the threshold says how many these are.
    """
    excluded = resolved.excluded.rows
    rows = pair_rows(pairs)
    reviewed, aside, between, evaluated = where_pairs_are(rows, resolved.evaluated, excluded)
    points, transfer = list(resolved.given), list[TransferPoint]()
    if not points:
        basis = elsewhere
        if basis is None:
            basis = listed_basis(pairs, resolved, enrolled, between)
        points, transfer = points_of(basis, resolved)
    listed = ListedPairsRecord(
        listed=len(pairs),
        reviewed_and_left_out=reviewed,
        evaluation=evaluated,
        threshold_set=aside,
        between=between,
        sampled=WEIGHT in pairs.columns,
    )
    record = ComparisonRecord(tuple(points), tuple(transfer), listed_pairs=listed)
    protocol = None if resolved.protocol is None else resolved.protocol.table
    return Matching(Matched(resolved.roles, excluded, pairs=pairs, folds=resolved.folds, protocol=protocol), record)


def where_pairs_are(rows: PairRows, evaluated: BoolArray, excluded: PairRows) -> tuple[int, int, int, int]:
    """Of listed pairs the reviewed ones that are left out, those of the threshold set, of neither, and of the evaluation."""
    reviewed, found = 0, np.zeros(3, np.int64)
    for part in chunks(len(rows)):
        reviewed += int((~without(rows[part], excluded, len(evaluated))).sum())
        found += np.bincount(evaluated[rows[part]].sum(axis=1), minlength=3)
    return reviewed, int(found[0]), int(found[1]), int(found[2])


def listed_basis(pairs: pd.DataFrame, resolved: ResolvedAudit, enrolled: BoolArray, between: int) -> Basis:
    """Listed pairs of the subjects on whom thresholds are set: all (by folds or in-sample), or those held out."""
    manifest, settings = resolved.manifest.frame, resolved.settings
    same_people = settings.verify.in_sample or resolved.folds is not None
    used = resolved.evaluated if same_people else ~resolved.evaluated
    subjects = np.asarray(pd.factorize(manifest["subject"])[0], np.int64)
    units = unit_codes(manifest, settings.groups.cluster) if settings.groups.cluster else None
    cells = finest_cells(manifest, resolved.groupings)
    own = listed_comparisons(pairs, subjects, enrolled, used, resolved.excluded.rows, cells, units, resolved.folds)
    if same_people:
        words = words_of_own(manifest["subject"], resolved)
    else:
        words = set_aside_in_words(manifest["subject"], used, settings.verify.seed)
    lost = f", {between} listed pairs between them belong to neither" if between else ""
    return Basis(own, manifest, words + lost, resolved.target_group, same_people)
