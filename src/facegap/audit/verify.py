"""From templates to counted comparisons: who is compared, at which thresholds, and the exact counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.audit.pair_lists import NO_PAIRS, read_pairs, scored_pairs
from facegap.audit.settings import Verify
from facegap.audit.thresholds import (
    EVALUATION,
    IN_SAMPLE,
    THRESHOLD_SET,
    Basis,
    Images,
    elsewhere_in_words,
    given_points,
    named_group,
    operating_points,
    roles_of,
    set_aside_in_words,
    transfer_points,
)
from facegap.derive.comparisons import (
    PairRows,
    counted_comparisons,
    counted_groups,
    listed_comparisons,
    without,
)
from facegap.derive.groupings import Cells, Grouping
from facegap.derive.verification import Operating
from facegap.errors import StatisticsError
from facegap.matching import choose_filter, count_scores, score_pairs
from facegap.statistics.curves import allowed_false_matches
from facegap.store.run import Matched
from facegap.types import BoolArray, IntArray, ScoreCounts

__all__ = [
    "EVALUATION",
    "THRESHOLD_SET",
    "Images",
    "Matching",
    "given_points",
    "listed_matching",
    "match",
    "require_comparable",
]

BINS = 1024
PLOT_BINS = 400  # of the histogram over all scores
MOST_PLOTTED_IMAGES = 20_000  # beyond this a histogram of all scores would cost more than the audit
SAMPLED_PAIRS = 200_000


@dataclass(frozen=True)
class Matching:
    """What matching gave: the stored comparisons, and entries of run.json."""

    matched: Matched
    record: dict[str, Any]


def require_comparable(
    manifest: pd.DataFrame, elsewhere: pd.DataFrame | None, groupings: Sequence[Grouping], settings: Verify
) -> None:
    """Refuse before the first image what could only fail after the last; what the card publishes is not known here.

    elsewhere : manifest of --threshold-on

    Raises
    ------
    StatisticsError, TableError : unusable pair lists, too few subjects to split, settings that contradict each other
    """
    given = bool(settings.threshold)
    given_points(replace(settings, threshold=settings.scores), None)
    roles_of(manifest["subject"], settings, needed=elsewhere is None and not given)
    if settings.fmr_on is not None and not given:
        named_group(manifest if elsewhere is None else elsewhere, groupings, settings.fmr_on)
    if settings.pairs is not None:
        read_pairs(settings.pairs, manifest, meaning="--pairs", repeats=False)
    if settings.exclude_pairs is not None:
        read_pairs(settings.exclude_pairs, manifest, meaning="--exclude-pairs", repeats=True)


def match(
    images: Images,
    threshold_set: Images | None,
    groupings: Sequence[Grouping],
    settings: Verify,
    *,
    published_threshold: float | None,
    workers: int,
) -> Matching:
    """Compare the images of a run, and find its thresholds.

    Raises
    ------
    StatisticsError, MatchingError, TableError : too few pairs for a target, unusable templates, unusable pair lists
    """
    excluded = NO_PAIRS
    if settings.exclude_pairs is not None:
        excluded = read_pairs(settings.exclude_pairs, images.manifest, meaning="--exclude-pairs", repeats=True)
    given = given_points(settings, published_threshold)
    roles = roles_of(images.manifest["subject"], settings, needed=threshold_set is None and not given)
    elsewhere = None
    if threshold_set is not None and not given:
        everybody = np.ones(len(threshold_set.manifest), np.bool_)
        words = elsewhere_in_words(
            threshold_set.manifest["subject"][threshold_set.enrolled], images.manifest["subject"]
        )
        elsewhere = basis_of(threshold_set, everybody, words, groupings, NO_PAIRS, settings, workers=workers)
    if settings.pairs is not None:
        pairs = scored_pairs(images, settings.pairs, workers=workers)
        return listed_matching(
            pairs, images.manifest, roles, excluded, settings, given, elsewhere, groupings, images.enrolled
        )
    return match_all(images, elsewhere, groupings, settings, roles, excluded, given, workers=workers)


def match_all(
    images: Images,
    elsewhere: Basis | None,
    groupings: Sequence[Grouping],
    settings: Verify,
    roles: NDArray[np.str_],
    excluded: PairRows,
    given: Sequence[Operating],
    *,
    workers: int,
) -> Matching:
    """Everyone with everyone: thresholds first, then the exact counts of the evaluation set, deep enough for them."""
    evaluated = roles == EVALUATION
    counted, points, transfer = None, list(given), []
    if not given:
        basis = elsewhere
        if basis is None and settings.in_sample:
            counted = count(images, evaluated, groupings, excluded, tail_limit=settings.tail_limit, workers=workers)
            own = counted_comparisons(counted.counts, images.subjects, images.enrolled, evaluated, excluded)
            basis = Basis(own, images.manifest, IN_SAMPLE)
        elif basis is None:
            words = set_aside_in_words(images.manifest["subject"], ~evaluated & images.enrolled, settings.seed)
            basis = basis_of(images, ~evaluated, words, groupings, excluded, settings, workers=workers)
        points, transfer = operating_points(basis, groupings, settings), transfer_points(basis, groupings, settings)
    lowest = min((point.threshold for point in points), default=np.inf)
    if counted is None:
        counted = count(
            images, evaluated, groupings, excluded, tail_limit=settings.tail_limit, workers=workers, reach=lowest
        )
    counts = counted.counts
    require_reach(counts, points)
    record = {
        **points_record(points, transfer),
        "unknown_pairs": counts.unknown_pairs,
        "excluded_pairs": len(excluded),
        "matching_filter": counted.filter_reason,
    }
    return Matching(Matched(roles, excluded, counts), record)


def basis_of(
    images: Images,
    taking_part: BoolArray,
    words: str,
    groupings: Sequence[Grouping],
    excluded: PairRows,
    settings: Verify,
    *,
    workers: int,
) -> Basis:
    """All pairs of a threshold set, counted. taking_part : bool (manifest rows,); words : whose they are."""
    counts = count(images, taking_part, groupings, excluded, tail_limit=settings.tail_limit, workers=workers).counts
    pairs = counted_comparisons(counts, images.subjects, images.enrolled, taking_part, excluded)
    return Basis(pairs, images.manifest, words)


def points_record(points: Sequence[Operating], transfer: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The thresholds of a run for run.json."""
    operating = [{"threshold": p.threshold, "source": p.source, "targets": list(p.targets)} for p in points]
    return {"operating": operating, "transfer_points": list(transfer)}


def require_enough_pairs(manifest: pd.DataFrame, elsewhere: pd.DataFrame | None, settings: Verify) -> None:
    """Raise StatisticsError where even with every face found there are too few impostor pairs for a target FMR."""
    if settings.threshold or settings.pairs is not None:
        return
    roles = roles_of(manifest["subject"], settings, needed=elsewhere is None)
    role = EVALUATION if settings.in_sample else THRESHOLD_SET
    people = manifest["subject"][roles == role] if elsewhere is None else elsewhere["subject"]
    for target in settings.fmr:
        allowed_false_matches(target, most_impostor_pairs(people))


def most_impostor_pairs(subjects: pd.Series) -> int:
    """Impostor pairs of some images if every one of them gives a template."""
    images = subjects.value_counts().to_numpy(np.int64)
    return int((images.sum() ** 2 - (images**2).sum()) // 2)


def require_reach(counts: ScoreCounts, points: Sequence[Operating]) -> None:
    """Raise StatisticsError where more impostor pairs reach a threshold than the list holds; it says how many do."""
    for point in points:
        if point.threshold >= counts.tail_floor or len(counts.tail) == int(counts.impostor_pairs.sum()):
            continue
        below = max(int(np.searchsorted(counts.edges, point.threshold, side="right")) - 1, 0)
        needed = int(counts.impostor[:, :, below:].sum())
        if point.threshold < counts.edges[0]:
            needed = int(counts.impostor_pairs.sum())
        raise StatisticsError(
            f"threshold {point.threshold:.6g} ({point.source}): up to {needed} impostor pairs reach it, and no more than "
            f"{counts.tail_limit} are listed (from score {counts.tail_floor:.6g} up); run again with --tail-limit {needed}"
        )


def group_names(cells: Cells) -> list[str]:
    """Distinct names of groups for the counts, the values of their attributes in order."""
    names = ["*".join(value for _, value in group.attributes) or "all" for group in cells.groups]
    return names if len(set(names)) == len(names) else [f"{name} #{k}" for k, name in enumerate(names)]


class Counted(NamedTuple):
    """Exact counts, and why the filter that screened the pairs was taken; it changes the time and never the counts."""

    counts: ScoreCounts
    filter_reason: str


def count(
    images: Images,
    taking_part: BoolArray,
    groupings: Sequence[Grouping],
    excluded: PairRows,
    *,
    tail_limit: int,
    workers: int,
    reach: float = np.inf,
) -> Counted:
    """Exact counts among the images that take part; left and right in its lists are positions among those.

    taking_part : bool (manifest rows,)
    excluded    : int64 (m, 2), manifest rows of pairs that are counted nowhere
    reach       : a score down to which the list of impostor pairs is wanted, as far as `tail_limit` allows
    """
    inside = taking_part[images.rows]
    templates = images.templates if inside.all() else images.templates[inside]
    rows = images.rows[inside]
    known = [grouping for grouping in groupings if set(grouping) <= set(images.manifest.columns)]
    cells = counted_groups(images.manifest, known)
    floor = min(floor_for(templates, tail_limit), max(reach, -1.0))
    plotted = len(rows) <= MOST_PLOTTED_IMAGES
    choice = choose_filter(templates, floor=floor, full_range=plotted)
    counts = count_scores(
        templates,
        images.subjects[rows],
        cells.codes[rows],
        floor=floor,
        bins=BINS,
        tail_limit=tail_limit,
        names=group_names(cells),
        exclude=positions(excluded, rows, len(images.manifest)),
        workers=workers,
        filter=choice.name,
        full_range=PLOT_BINS if plotted else None,
    )
    return Counted(counts, choice.reason)


def floor_for(templates: NDArray[np.float32], tail_limit: int) -> float:
    """A floor above which about two thirds of `tail_limit` pairs lie, from a seeded sample of pairs.

    Too low a floor costs time and never a result: the list is cut to its highest pairs, and says where.
    """
    images = len(templates)
    pairs = images * (images - 1) / 2
    if pairs <= tail_limit:
        return -1.0
    rng = np.random.default_rng(0)
    left = rng.integers(0, images, SAMPLED_PAIRS)
    right = (left + rng.integers(1, images, SAMPLED_PAIRS)) % images
    scores = score_pairs(templates, left, right)
    share = 2 / 3 * tail_limit / pairs
    return float(min(np.quantile(scores, 1 - share), 0.99))


def positions(pairs: PairRows, rows: IntArray, images: int) -> PairRows:
    """Pairs of manifest rows as positions among `rows`; pairs with a row that is not there fall away."""
    place = np.full(images, -1, np.int64)
    place[rows] = np.arange(len(rows))
    found = place[pairs]
    return found[(found >= 0).all(axis=1)]


def listed_matching(
    pairs: pd.DataFrame,
    manifest: pd.DataFrame,
    roles: NDArray[np.str_],
    excluded: PairRows,
    settings: Verify,
    given: Sequence[Operating],
    elsewhere: Basis | None,
    groupings: Sequence[Grouping],
    enrolled: BoolArray,
) -> Matching:
    """Thresholds for listed pairs: left, right (manifest rows), genuine, score.

    They are found on listed impostor pairs whose people are both of the threshold set, or on a set of its own. Pairs
    between a threshold_set and an evaluation subject are in neither; the words on the threshold say how many these are.
    """
    sides = (roles == EVALUATION)[pairs[["left", "right"]].to_numpy(np.int64)]
    between = int((sides[:, 0] != sides[:, 1]).sum())
    points, transfer = list(given), []
    if not given:
        basis = elsewhere
        if basis is None:
            used = roles == (EVALUATION if settings.in_sample else THRESHOLD_SET)
            subjects = np.asarray(pd.factorize(manifest["subject"])[0], np.int64)
            own = listed_comparisons(pairs, subjects, enrolled, used, excluded)
            words = IN_SAMPLE if settings.in_sample else set_aside_in_words(manifest["subject"], used, settings.seed)
            lost = f", {between} listed pairs between those and the others being in neither" if between else ""
            basis = Basis(own, manifest, words + lost)
        points, transfer = operating_points(basis, groupings, settings), transfer_points(basis, groupings, settings)
    kept = without(pairs[["left", "right"]].to_numpy(np.int64), excluded, len(manifest))
    listed = {
        "listed": len(pairs),
        "reviewed_and_left_out": int((~kept).sum()),
        "evaluation": int(sides.all(axis=1).sum()),
        "threshold_set": int((~sides).all(axis=1).sum()),
        "between": between,
    }
    return Matching(Matched(roles, excluded, pairs=pairs), {**points_record(points, transfer), "pairs": listed})
