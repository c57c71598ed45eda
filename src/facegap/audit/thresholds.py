"""The subjects on whom a threshold is set, and the thresholds for a target and for each group alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.audit.folds import fewest_outside, thresholds_by_folds
from facegap.audit.settings import Verify
from facegap.derive.comparisons import Comparisons, false_match_rate, impostors_within
from facegap.derive.groupings import Grouping, cells_of
from facegap.derive.transfer import NOT_LISTED, TOO_FEW
from facegap.errors import StatisticsError, TableError
from facegap.statistics.curves import ThresholdChoice, allowed_false_matches
from facegap.store.record import Operating, ThresholdInterval, TransferPoint
from facegap.types import BoolArray, FloatArray, IntArray

EVALUATION, THRESHOLD_SET = "evaluation", "threshold_set"
IN_SAMPLE = "the same pairs on which it is evaluated (IN-SAMPLE)"
LONGER = 1.6  # a list reaches to about two thirds of its limit: see `floor_for` in floors.py
FEW_ABOVE = 5  # minimum number of false matches for the upper limit of a threshold's interval


@dataclass(frozen=True)
class Templates:
    """The templates of one set of subjects: the units that are compared.

    table   : one row per expected template, with its subject and labels: a MANIFEST
    rows    : positions in it of the existing templates, int64 (n,); the other faces were lost
    vectors : float32 (n, dimension), of norm 1
    """

    table: pd.DataFrame
    rows: IntArray
    vectors: NDArray[np.float32]

    @property
    def enrolled(self) -> BoolArray:
        """Per row of the table whether there is a template."""
        enrolled = np.zeros(len(self.table), np.bool_)
        enrolled[self.rows] = True
        return enrolled

    @property
    def subjects(self) -> IntArray:
        """Per row of the table a code of its subject."""
        return np.asarray(pd.factorize(self.table["subject"])[0], np.int64)


@dataclass(frozen=True)
class Basis:
    """The data on which thresholds are set: comparisons of the templates of a table, and a phrase that names their subjects.

    group : bool per row of the table, the group whose impostor pairs define a target; None: all
    same_people : these subjects are also evaluated; with folds in `pairs`, each pair at a threshold set on other subjects
    """

    pairs: Comparisons
    table: pd.DataFrame
    words: str
    group: BoolArray | None = None
    same_people: bool = False


def given_points(settings: Verify, published: float | None) -> list[Operating]:
    """Thresholds that need no threshold set.

    Raises
    ------
    TableError      : if the card publishes none
    StatisticsError : if a threshold is not finite
    """
    wrong = [value for value in settings.scores if not np.isfinite(value)]
    if wrong:
        raise StatisticsError(f"--threshold {wrong[0]}: a threshold must be a finite score")
    points = [Operating(value, "given") for value in settings.scores]
    if settings.published:
        if published is None:
            raise TableError("--threshold published: the embedder's card publishes none; give a number, or --fmr")
        points.append(Operating(published, "published by the model's card"))
    return distinct(points)


def distinct(points: Sequence[Operating]) -> list[Operating]:
    """Each threshold once, with all of its sources: rows of tables are identified by the threshold."""
    merged: dict[float, Operating] = {}
    for point in points:
        same = merged.get(point.threshold)
        if same is not None and point.source not in same.source.split("; and "):
            unmet = "; ".join(filter(None, (same.unmet, point.unmet)))
            require_same_folds(same, point)
            point = replace(
                same, source=f"{same.source}; and {point.source}", targets=same.targets + point.targets, unmet=unmet
            )
        elif same is not None:
            point = same
        merged[point.threshold] = point
    return list(merged.values())


def require_same_folds(one: Operating, other: Operating) -> None:
    """Raise StatisticsError if two targets give the same threshold for use, but different thresholds by folds."""
    if one.by_folds is not None and other.by_folds is not None and one.by_folds.thresholds != other.by_folds.thresholds:
        targets = " and ".join(f"{target:g}" for target in one.targets + other.targets)
        raise StatisticsError(
            f"FMR {targets} give the same threshold for use, {one.threshold:.6g}, but to different ones by folds; "
            f"give one of the "
            "targets, or --threshold-by split"
        )


def roles_of(subjects: pd.Series, settings: Verify, *, needed: bool) -> NDArray[np.str_]:
    """The role of each image: `evaluation`, or `threshold_set` if the threshold is set on a part of the subjects.

    The split is by subject, so that no subject is on both sides, with scikit-learn's GroupShuffleSplit and the given seed.
    At least two subjects are on either side. With --cluster, `subjects` are the units.

    Raises
    ------
    TableError : if there are fewer than four subjects
    """
    roles = np.full(len(subjects), THRESHOLD_SET)  # the longer word first: numpy truncates text to its initial length
    roles[:] = EVALUATION
    if not needed or settings.in_sample:
        return roles
    people = subjects.nunique()
    if people < 4:
        raise TableError(
            f"{people} subjects are too few to set a threshold on some and evaluate it on others; give --threshold, "
            f"--threshold-on, or --in-sample"
        )
    from sklearn.model_selection import GroupShuffleSplit

    aside = min(max(round(settings.split * people), 2), people - 2)
    splitter = GroupShuffleSplit(n_splits=1, train_size=aside, test_size=people - aside, random_state=settings.seed)
    chosen, _ = next(splitter.split(np.zeros(len(subjects)), groups=subjects.to_numpy()))
    roles[chosen] = THRESHOLD_SET
    return roles


def set_aside_in_words(subjects: pd.Series, taking_part: BoolArray, seed: int) -> str:
    """Name of the held-out subjects on whom the threshold is set."""
    return f"{subjects[taking_part].nunique()} subjects held out (seed {seed})"


def folds_in_words(people: pd.Series, folds: int, settings: Verify) -> str:
    """Description of thresholds by folds."""
    dealt = f"seed {settings.seed}" if settings.fold_column is None else f"column {settings.fold_column}"
    return f"other people of {folds} folds ({dealt}); threshold for use set on all {people.nunique()} subjects"


def elsewhere_in_words(people: pd.Series, evaluated: pd.Series) -> str:
    """Name of the subjects of --threshold-on; those that are also evaluated, by name, make it partly in-sample."""
    names = people.unique()
    known = int(np.isin(names, evaluated.unique()).sum())
    if not known:
        return f"{len(names)} other subjects (--threshold-on)"
    return f"{len(names)} subjects of --threshold-on; {known} of these names are also evaluated (partly IN-SAMPLE)"


def operating_points(basis: Basis, settings: Verify, level: float) -> list[Operating]:
    """A threshold for each target FMR, with a phrase on its source and its confidence interval.

    level : confidence level of the interval of the threshold

    Raises
    ------
    StatisticsError : if there are too few impostor pairs for a target, or the tail list is too short
    """
    among = "listed impostor pairs" if basis.pairs.listed_only else "impostor pairs"
    group = basis.group
    if group is None:
        group = np.ones(len(basis.table), np.bool_)
    else:
        among = f"{among} of {settings.fmr_on}"
    scores, trials = impostors_within(basis.pairs, group)
    found = []
    for target in settings.fmr:
        choice = threshold_among(scores, trials, target, basis.pairs)
        words = f"FMR {target:g} on {basis.words}: {choice.false_matches} of {trials} {among}"
        unmet = unmet_in_words(choice, scores, settings)
        folds = None if basis.pairs.folds is None else thresholds_by_folds(basis.pairs, group, target)
        interval = None if unmet else threshold_interval(basis, group, scores, choice, level)
        found.append(Operating(choice.threshold, words, (target,), unmet, interval, folds))
    return distinct(found)


def threshold_interval(
    basis: Basis, group: BoolArray, scores: FloatArray, choice: ThresholdChoice, level: float
) -> ThresholdInterval | None:
    """Confidence interval of a threshold: the subject-level interval of its FMR, converted to thresholds.

    None if no pair or every pair is a false match, as the change of the rate with the threshold is then unknown.

    scores : float64, descending, of the listed impostor pairs within the group
    Source : Woodruff (1952), confidence intervals of quantiles by those of the distribution

    Raises
    ------
    StatisticsError : if the list of pairs ends above the lower limit
    """
    rate = false_match_rate(basis.pairs, choice.threshold, group, None, generalised=False, level=level)
    if not 0 < rate.errors < rate.trials or not 0 < rate.low <= rate.high:
        return None
    most = int(np.ceil(rate.high * rate.trials))
    if most > len(scores) and len(scores) < choice.impostor_pairs:
        needed = int(np.ceil(LONGER * basis.pairs.tail_limit * most / max(len(scores), 1)))
        raise StatisticsError(
            f"FMR {choice.target:g}: the interval of the threshold reaches down to {most} of {choice.impostor_pairs} impostor "
            f"pairs, and {len(scores)} are listed, down to score {basis.pairs.floor:.4f}; run again with --tail-limit {needed}"
        )
    low = float(scores[min(most, len(scores)) - 1])
    fewest = int(np.floor(rate.low * rate.trials))
    high = float(scores[fewest - 1]) if fewest else np.nextafter(scores[0], np.inf)
    if fewest < FEW_ABOVE:
        # Above the highest scores nothing is observed; the FMR is assumed to decrease there at the same rate as below.
        slope = (choice.threshold - low) / np.log(rate.high / rate.value)
        high = max(high, choice.threshold + slope * np.log(rate.value / rate.low))
    return ThresholdInterval(rate.low, rate.high, min(low, choice.threshold), float(high), basis.same_people)


def unmet_in_words(choice: ThresholdChoice, scores: FloatArray, settings: Verify) -> str:
    """A note if tied scores leave no threshold near a target, that is, fewer than half of the allowed false matches.

    scores : float64, descending, of the listed impostor pairs
    """
    if not choice.allowed or 2 * choice.false_matches >= choice.allowed:
        return ""
    tied = float(scores[choice.false_matches])
    many = int(np.count_nonzero(scores == tied))
    shown = -tied if settings.distance else tied
    return (
        f"no threshold meets FMR {choice.target:g}: {many:,} of {choice.impostor_pairs:,} impostor pairs share the score "
        f"{shown:.6g}; accepting them would give {choice.false_matches + many:,} false matches, but "
        f"{choice.allowed:,} are allowed. The next stricter threshold was used, with {choice.false_matches:,} (FMR "
        f"{choice.fmr:.3g})"
    )


def threshold_among(scores: FloatArray, trials: int, target: float, pairs: Comparisons) -> ThresholdChoice:
    """The smallest impostor score with FMR <= target among `trials` pairs, the highest of which are listed.

    scores : float64, descending

    Raises
    ------
    StatisticsError : if there are too few pairs for the target, or more allowed false matches than listed scores
    """
    allowed = allowed_false_matches(target, trials)
    if allowed > len(scores):
        needed = int(np.ceil(LONGER * pairs.tail_limit * allowed / max(len(scores), 1)))
        raise StatisticsError(
            f"FMR {target:g} allows {allowed} false matches of {trials} impostor pairs, and the {len(scores)} "
            f"highest of them are listed, down to score {pairs.floor:.4f}; run again with --tail-limit {needed}"
        )
    # If the list ends exactly at the allowed number, the next pair has a lower score and would be one too many.
    first_out = scores[allowed] if allowed < len(scores) else -np.inf
    reached = len(scores) - int(np.searchsorted(scores[::-1], first_out, side="right"))
    above_all = np.nextafter(scores[0], np.inf) if len(scores) else pairs.floor
    return ThresholdChoice(float(scores[reached - 1] if reached else above_all), target, reached, allowed, trials)


def transfer_points(basis: Basis, groupings: Sequence[Grouping], settings: Verify, level: float) -> list[TransferPoint]:
    """For each target, grouping and known group, the threshold at the target among the impostor pairs within the group.

    threshold is None if the group has too few pairs for the target, or its threshold lies below the list;
    `reason` says which.
    """
    points = []
    for grouping in groupings:
        if not set(grouping) <= set(basis.table.columns):
            continue  # a separate threshold set may lack some labels
        cells = cells_of(basis.table, grouping)
        for k in np.flatnonzero(cells.known):
            for target in settings.fmr:
                name = str(cells.groups[k])
                points.append(group_point(basis, cells.codes == k, level, grouping=grouping, name=name, target=target))
    return points


def group_point(
    basis: Basis, group: BoolArray, level: float, *, grouping: Grouping, name: str, target: float
) -> TransferPoint:
    """The threshold of one group for one target, with the number of subjects behind it."""
    scores, trials = impostors_within(basis.pairs, group)
    subjects = basis.table["subject"].to_numpy()[group & basis.pairs.counted & basis.pairs.enrolled]
    allowed = int(np.floor(target * trials * (1 + 1e-12)))
    where = f"FMR {target:g} on {name} alone, of {basis.words}: "
    point = TransferPoint(grouping, name, target, None, "", len(set(subjects)), where)
    if allowed < 1:
        return replace(point, reason=TOO_FEW)
    if allowed > len(scores):
        return replace(point, reason=NOT_LISTED)
    choice = threshold_among(scores, trials, target, basis.pairs)
    words = f"{where}{choice.false_matches} of {trials} impostor pairs"
    folds = None
    if basis.pairs.folds is not None and np.floor(target * fewest_outside(basis.pairs, group) * (1 + 1e-12)) < 1:
        return replace(point, reason=TOO_FEW)
    try:
        if basis.pairs.folds is not None:
            folds = thresholds_by_folds(basis.pairs, group, target)
    except StatisticsError:
        return replace(point, reason=NOT_LISTED)
    try:
        interval = threshold_interval(basis, group, scores, choice, level)
    except StatisticsError:
        interval, words = None, f"{words}; the list of impostor pairs is too short for its uncertainty"
    return replace(point, threshold=choice.threshold, source=words, interval=interval, by_folds=folds)
