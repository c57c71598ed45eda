"""Rates and gaps of plain arrays: the statistics of an audit, for errors or scores that were computed elsewhere."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.statistics.clusters import clustered_rates, shared_subjects
from facegap.statistics.dyadic import dyadic_fmr, dyadic_fnmr
from facegap.statistics.effective import RateColumns, columns_of
from facegap.statistics.gap_families import GapFamily
from facegap.statistics.gaps import ALPHA, MINIMUM_SUBJECTS, gap_family
from facegap.statistics.group_labels import as_list, groups_of_sides, groups_of_trials, is_missing, known_groups
from facegap.types import BoolArray, FloatArray, Group, IntArray, Rate, Scale


@dataclass(frozen=True, eq=False)
class GroupRates:
    """One rate per group.

    Attributes
    ----------
    groups : tuple of str
        Names of the groups, sorted with numbers by size and `unknown` last.
    columns : RateColumns
        Counts and intervals, one entry per group.
    """

    groups: tuple[str, ...]
    columns: RateColumns

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, group: str) -> Rate:
        if group not in self.groups:
            raise KeyError(f"no group {group!r}; there are {', '.join(self.groups)}")
        return self.columns.rate(self.groups.index(group))

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns by name, as `pandas.DataFrame` takes them: group, errors, trials, subjects, value, low, high, ..."""
        rows = self.columns.rows()
        names = ("errors", "trials", "subjects", "effective_trials", "value", "low", "high", "level", "method")
        return {"group": list(self.groups), **{name: [getattr(row, name) for row in rows] for name in names}}


def rates(
    wrong: ArrayLike, *, subjects: ArrayLike | None = None, groups: Any = None, level: float = 0.95
) -> GroupRates:
    """Error rate of each group, with an interval that treats the subject, not the image, as the sampling unit.

    Parameters
    ----------
    wrong : array_like of bool, shape (n,)
        Whether each trial (an image, an attempt) is an error; 0 and 1 are accepted. Omit rows that are not trials.
    subjects : array_like, shape (n,), optional
        Id of the person of each trial. None: every trial belongs to a different person.
    groups : array_like of labels, shape (n,), or DataFrame or dict of such columns, optional
        Group of each trial; several columns are crossed. A missing label (None, NaN, "") is `unknown`. None: a single group.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    GroupRates
        One rate per group that occurs; `pandas.DataFrame(found.to_dict())` is a table.

    Raises
    ------
    StatisticsError
        For arrays of different lengths, a trial that is neither correct nor wrong, or a missing subject.

    Notes
    -----
    The rates equal those in an audit's rates.csv. If no subject repeats, the interval is Wilson's. Otherwise it is
    Wilson's interval with the effective number of trials, from a variance clustered by subject, and Student's t; with
    no errors or only errors it is Clopper-Pearson's with subjects as trials.

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22; Cochran (1977), Sampling Techniques, chapter 3.

    See Also
    --------
    clustered_rates : the same for integer codes.

    Examples
    --------
    >>> wrong = [1, 0, 1, 0, 0, 0, 0, 1]
    >>> subjects = ["ada", "ada", "eve", "eve", "bob", "bob", "dan", "dan"]
    >>> gender = ["female"] * 4 + ["male"] * 4
    >>> found = rates(wrong, subjects=subjects, groups=gender)
    >>> found.groups
    ('female', 'male')
    >>> women = found["female"]
    >>> women.errors, women.trials, women.subjects, women.value
    (2, 4, 2, 0.5)
    """
    errors = _errors(wrong)
    people = _subject_codes(subjects, len(errors))
    found, codes = groups_of_trials(groups, len(errors))
    names = names_of(found)
    return GroupRates(names, clustered_rates(errors, None, people, codes, n_cells=len(names), level=level))


def gaps(
    wrong: ArrayLike,
    *,
    groups: Any,
    margin: float,
    scale: Scale,
    subjects: ArrayLike | None = None,
    alpha: float = ALPHA,
    level: float = 0.95,
    min_subjects: int = MINIMUM_SUBJECTS,
) -> GapFamily:
    """Gaps between the error rates of every two groups, as one family: intervals, Holm's p and verdicts.

    Parameters
    ----------
    wrong, subjects, groups
        As in `rates`. Trials with an unknown label are excluded.
    margin : float
        The smallest gap that matters, fixed before the data are seen: between 0 and 1 for a difference (0.02 is two
        percentage points), above 1 for a ratio (2 is twice the error rate).
    scale : {"difference", "ratio"}
        Scale of the margin, the p-value and the verdict.
    alpha : float, default 0.05
        Family-wise false-alarm rate.
    level : float, default 0.95
        Confidence level of each reported interval.
    min_subjects : int, default 20
        Groups with fewer subjects are excluded and named in `left_out`.

    Returns
    -------
    GapFamily
        One row per pair of groups; `pandas.DataFrame(found.to_dict())` is a table, `found.worst` and `found.best` name
        the groups with the highest and the lowest rate.

    Raises
    ------
    StatisticsError
        As in `rates`, and if the margin is out of range for its scale.

    Notes
    -----
    The gaps equal those in an audit's gaps.csv. If groups share subjects (labels that belong to the image), the
    correlation of their rates is taken into account.

    References
    ----------
    Newcombe (1998), Statistics in Medicine 17, method 10; Donner and Zou (2012), Statistical Methods in Medical
    Research 21; Holm (1979), Scandinavian Journal of Statistics 6.

    Examples
    --------
    >>> wrong = [1] * 12 + [0] * 28 + [1] * 2 + [0] * 38
    >>> tone = ["darker"] * 40 + ["lighter"] * 40
    >>> found = gaps(wrong, groups=tone, margin=0.02, scale="difference")
    >>> found.worst, found.best
    ('darker', 'lighter')
    >>> table = found.to_dict()
    >>> round(table["difference"][0], 3), table["verdict"][0]
    (0.25, 'gap larger than the margin')
    """
    errors = _errors(wrong)
    people = _subject_codes(subjects, len(errors))
    known, codes = known_groups(*groups_of_trials(groups, len(errors)))
    names = names_of(known)
    found = clustered_rates(errors, None, people, codes, n_cells=len(names), level=level)
    return gap_family(
        names,
        found.errors,
        found.trials,
        found.subjects,
        found.effective_trials,
        margin=margin,
        scale=scale,
        alpha=alpha,
        level=level,
        minimum_subjects=min_subjects,
        correlation=shared_subjects(errors, people, codes, len(names)),
        effective_subjects=found.effective_subjects,
        dominated_by=found.dominated_by,
    )


def fmr(
    scores: ArrayLike, left: ArrayLike, right: ArrayLike, groups: Any = None, *, threshold: float, level: float = 0.95
) -> GroupRates:
    """False match rate of each group at a threshold, with intervals that treat the subject, not the pair, as the sampling unit.

    Parameters
    ----------
    scores : array_like of float, shape (m,)
        Score of each comparison; higher means more similar. Genuine comparisons (left is right) are ignored.
    left, right : array_like, shape (m,)
        Subject ids of both sides of each comparison.
    groups : mapping from subject id to label, or (left, right) labels, optional
        A dict or pandas Series by subject; a pandas DataFrame whose index is the subject and whose columns are crossed;
        or, for labels that belong to the image, a tuple of two arrays (or two DataFrames) with the labels of both sides
        of each comparison. None: a single group.
    threshold : float
        A comparison is accepted where score >= threshold.
    level : float, default 0.95
        Confidence level of the intervals.

    Returns
    -------
    GroupRates
        One rate per group. A comparison counts for a group if both sides are in it; comparisons between two groups
        count for none.

    Raises
    ------
    StatisticsError
        For arrays of different lengths, a score that is NaN, a missing subject, or a subject without a group.

    Notes
    -----
    The rates equal the FMR rows of `facegap audit-scores`. List all comparisons, not only the false matches, and each
    pair in only one order: images are not identified here, so every comparison counts separately. With no false match
    the interval is Clopper-Pearson's on disjoint pairs of subjects.

    References
    ----------
    Fogliato, Patil and Perona (2024), Confidence intervals for error rates in 1:1 matching tasks, International Journal
    of Computer Vision 132.

    See Also
    --------
    dyadic_fmr : the same for one group, or between two groups, for integer codes.

    Examples
    --------
    >>> scores = [0.9, 0.2, 0.3, 0.8, 0.1, 0.4]
    >>> left = ["ada", "ada", "eve", "bob", "bob", "dan"]
    >>> right = ["eve", "fay", "fay", "dan", "gus", "gus"]
    >>> group = {"ada": "f", "eve": "f", "fay": "f", "bob": "m", "dan": "m", "gus": "m"}
    >>> found = fmr(scores, left, right, group, threshold=0.85)
    >>> found["f"].errors, found["f"].trials, found["m"].errors
    (1, 3, 0)
    """
    pairs = _comparisons(scores, left, right, groups, threshold)
    found = [
        dyadic_fmr(
            pairs.left[inside],
            pairs.right[inside],
            pairs.accepted[inside].astype(np.int64),
            trials=np.ones(inside.sum(), np.int64),
            level=level,
        )
        for inside in pairs.within(pairs.left != pairs.right)
    ]
    return GroupRates(pairs.groups, columns_of(found, level=level))


def fnmr(
    scores: ArrayLike, left: ArrayLike, right: ArrayLike, groups: Any = None, *, threshold: float, level: float = 0.95
) -> GroupRates:
    """False non-match rate of each group at a threshold, with the subject as the sampling unit.

    Parameters
    ----------
    scores, left, right, groups, threshold, level
        As in `fmr`. Only genuine comparisons (left is right) count.

    Returns
    -------
    GroupRates
        One rate per group; an error is a genuine comparison with score < threshold.

    Raises
    ------
    StatisticsError
        As in `fmr`.

    Notes
    -----
    The rates equal the FNMR rows of `facegap audit-scores`. List each pair in only one order: images are not identified
    here, so every comparison counts separately.

    References
    ----------
    Fogliato, Patil and Perona (2024), as in `fmr`.

    See Also
    --------
    dyadic_fnmr : the same for one group, for integer codes.

    Examples
    --------
    >>> scores = [0.9, 0.4, 0.8, 0.7]
    >>> people = ["ada", "eve", "bob", "dan"]
    >>> group = {"ada": "f", "eve": "f", "bob": "m", "dan": "m"}
    >>> fnmr(scores, people, people, group, threshold=0.5)["f"].value
    0.5
    """
    pairs = _comparisons(scores, left, right, groups, threshold)
    found = [
        dyadic_fnmr(
            pairs.left[inside],
            (~pairs.accepted[inside]).astype(np.int64),
            trials=np.ones(inside.sum(), np.int64),
            level=level,
        )
        for inside in pairs.within(pairs.left == pairs.right)
    ]
    return GroupRates(pairs.groups, columns_of(found, level=level))


@dataclass(frozen=True, eq=False)
class _Comparisons:
    """Comparisons as codes: the subjects and groups of both sides, and whether the score reaches the threshold."""

    groups: tuple[str, ...]
    left: IntArray
    right: IntArray
    left_group: IntArray
    right_group: IntArray
    accepted: BoolArray

    def within(self, kind: BoolArray) -> list[BoolArray]:
        """For each group, which comparisons of a kind have both sides in it."""
        inside = kind & (self.left_group == self.right_group)
        return [inside & (self.left_group == code) for code in range(len(self.groups))]


def _comparisons(scores: ArrayLike, left: ArrayLike, right: ArrayLike, groups: Any, threshold: float) -> _Comparisons:
    if not math.isfinite(threshold):
        raise StatisticsError(f"threshold {threshold} is not a score")
    values = _scores(scores)
    left_ids, right_ids = _ids(left, len(values), "left"), _ids(right, len(values), "right")
    found, left_group, right_group = groups_of_sides(groups, left_ids, right_ids)
    codes = _codes([*left_ids, *right_ids])
    return _Comparisons(
        names_of(found), codes[: len(values)], codes[len(values) :], left_group, right_group, values >= threshold
    )


def _scores(scores: ArrayLike) -> FloatArray:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1:
        raise StatisticsError(f"scores has {values.ndim} dimensions; give one score per comparison")
    if np.isnan(values).any():
        row = int(np.flatnonzero(np.isnan(values))[0])
        raise StatisticsError(f"scores, row {row}: NaN; omit comparisons that failed, and report how many")
    return values


def _errors(wrong: ArrayLike) -> BoolArray:
    """Whether each trial is an error."""
    values = np.asarray(wrong)
    if values.ndim != 1 or values.dtype.kind not in "buif":
        raise StatisticsError(f"wrong must be one row of True and False, not {values.dtype} of shape {values.shape}")
    odd = ~np.isin(values, (0, 1))
    if odd.any():
        row = int(np.flatnonzero(odd)[0])
        raise StatisticsError(
            f"wrong, row {row}: {values[row]} is neither True nor False; omit rows that are not trials"
        )
    return values.astype(np.bool_)


def _subject_codes(subjects: ArrayLike | None, size: int) -> IntArray:
    return np.arange(size, dtype=np.int64) if subjects is None else _codes(_ids(subjects, size, "subjects"))


def _ids(subjects: ArrayLike, size: int, name: str) -> list[Hashable]:
    """Subject ids, one per row and none missing."""
    found = as_list(subjects, name)
    if len(found) != size:
        raise StatisticsError(f"{name} has {len(found)} entries for {size} rows; give one per row")
    for row, subject in enumerate(found):
        if is_missing(subject) or subject == "":
            raise StatisticsError(f"{name}, row {row}: no subject; give each unknown person a separate id")
    return found


def _codes(ids: Sequence[Hashable]) -> IntArray:
    """Codes 0.. of ids, in order of appearance."""
    code_of = {subject: code for code, subject in enumerate(dict.fromkeys(ids))}
    return np.array([code_of[subject] for subject in ids], np.int64)


def names_of(groups: Sequence[Group]) -> tuple[str, ...]:
    """Names of the groups: labels in the order of the columns, gender last."""
    return tuple(str(group) for group in groups)
