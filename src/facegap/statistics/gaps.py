"""All gaps between the groups of one family: differences, ratios, their intervals, p, verdict, subjects needed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import repeat
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.statistics.effective import whole
from facegap.statistics.family_tests import decided, deciding_tails, judged, limits_at, z_of
from facegap.statistics.intervals import difference_at, two_sided_z
from facegap.statistics.lending import lent_trials
from facegap.statistics.ratios import ratio_at
from facegap.statistics.verdicts import subjects_needed, verdicts
from facegap.types import AnyArray, BoolArray, FloatArray, Gap, IntArray, Scale, Verdict

MINIMUM_SUBJECTS = 20
ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class GapColumns:
    """Gaps as columns, one row per pair of groups a < b in the order given; names and meaning as in `Gap`."""

    group_a: AnyArray
    group_b: AnyArray
    errors_a: IntArray
    trials_a: IntArray
    subjects_a: IntArray
    errors_b: IntArray
    trials_b: IntArray
    subjects_b: IntArray
    difference: FloatArray
    difference_low: FloatArray
    difference_high: FloatArray
    ratio: FloatArray
    ratio_low: FloatArray
    ratio_high: FloatArray
    p: FloatArray
    p_adjusted: FloatArray
    differs: BoolArray
    within_margin: BoolArray
    beyond_margin: BoolArray
    verdict: AnyArray
    decided_low: FloatArray
    decided_high: FloatArray
    decided_level: FloatArray
    subjects_needed: FloatArray


@dataclass(frozen=True, eq=False)
class GapFamily:
    """The gaps that one run looks at together, and the groups that stayed out.

    columns            : one row per pair of groups that have enough subjects
    worst, best        : names of the groups with the highest and the lowest rate among those; "" with fewer than two
    worst_against_best : the row of `columns` between them, -1 where there is none. It marks a row and adds no test
    left_out           : names of the groups under `minimum_subjects`, in order: shown, never ranked, in no gap
    level              : of the intervals of each gap by itself. Verdicts use alpha over the family, see `gap_family`
    """

    metric: str
    model: str
    threshold: float
    threshold_from: str
    family: str
    margin: float
    is_ratio: bool
    alpha: float
    level: float
    minimum_subjects: int
    columns: GapColumns
    worst: str
    best: str
    worst_against_best: int
    left_out: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.columns.p)

    @property
    def scale(self) -> Scale:
        """What margin, p and verdict refer to."""
        return "ratio" if self.is_ratio else "difference"

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns by name, one entry per gap, as `pandas.DataFrame` takes them."""
        return {f.name: getattr(self.columns, f.name).tolist() for f in fields(GapColumns)}

    def rows(self) -> list[Gap]:
        """The family as rows of GAPS."""
        columns = self.to_dict()
        columns["verdict"] = [cast(Verdict, verdict) for verdict in columns["verdict"]]
        known = {**columns, **{name: repeat(getattr(self, name), len(self)) for name in _OF_FAMILY}}
        names = [f.name for f in fields(Gap) if f.name in known]  # the last fields of a Gap say what label noise does
        return [Gap(*row) for row in zip(*(known[name] for name in names), strict=True)]


_OF_FAMILY = ("metric", "model", "threshold", "threshold_from", "family", "margin", "scale")


def gap_family(
    groups: ArrayLike,
    errors: ArrayLike,
    trials: ArrayLike,
    subjects: ArrayLike,
    effective_trials: ArrayLike,
    *,
    margin: float,
    scale: Scale,
    metric: str = "",
    model: str = "",
    threshold: float = float("nan"),
    threshold_from: str = "",
    family: str = "",
    alpha: float = ALPHA,
    level: float = 0.95,
    minimum_subjects: int = MINIMUM_SUBJECTS,
    correlation: FloatArray | None = None,
    effective_subjects: ArrayLike | None = None,
) -> GapFamily:
    """All pairwise gaps of a family that was named in advance, with Holm's p and verdicts.

    groups           : names of the G groups, in the order that decides who is a and who b
    errors, trials, subjects : whole numbers [G]
    effective_trials : float64 [G], from the Rate of each group; NaN where it has no interval. Groups with no error or
                       one borrow from the others of the family, see `lent_trials`
    margin           : > 1 for a ratio, in (0, 1) for a difference
    scale            : what margin, p and verdict refer to
    metric, model, threshold, threshold_from, family : what the rates are of, as the rows of GAPS will say
    alpha            : false-alarm rate of the whole family. `differs` is Holm p <= alpha; `within_margin` asks the
                       interval at level 1 - 2 alpha / m to lie inside the margin, m being the number of gaps, and
                       `beyond_margin` that at level 1 - alpha / m to lie outside it
    level            : of the intervals of difference and ratio, each for itself. The interval that decided the verdict
                       stands in `decided_low`, `decided_high` and `decided_level`, on the margin's scale
    minimum_subjects : groups under it are in no gap and are named in `left_out`
    correlation      : float64 [G, G] of the rates of groups that share subjects (from `subject_correlation` or from
                       bootstrap replicates); None where no subject is in two groups
    effective_subjects : float64 [G], (sum t)^2 / sum t^2 over the trials t of a group's sampling units, which are held
                       against `minimum_subjects` in place of heads; None: heads
    returns          : GapFamily; a row whose rates have no interval has NaN p and "not enough data"
    Raises           : StatisticsError for an unknown scale, a margin off it or arrays of different lengths

    Examples
    --------
    >>> counts = ([40, 10], [200, 200], [200, 200], [200.0, 200.0])  # errors, trials, subjects, effective trials
    >>> family = gap_family(["women", "men"], *counts, margin=0.02, scale="difference")
    >>> [str(verdict) for verdict in family.columns.verdict]
    ['gap larger than the margin']
    """
    is_ratio = _is_ratio(metric, margin, scale)
    names = np.atleast_1d(np.asarray(groups)).astype(str)
    counts = [whole(np.asarray(a), n) for a, n in ((errors, "errors"), (trials, "trials"), (subjects, "subjects"))]
    effective = np.atleast_1d(np.array(effective_trials, dtype=np.float64))  # a copy: groups may borrow
    _check_family(names, counts, effective, alpha)
    people = counts[2] if effective_subjects is None else np.atleast_1d(np.asarray(effective_subjects, np.float64))
    kept = np.flatnonzero(people >= minimum_subjects)
    effective[kept] = lent_trials(counts[0][kept], counts[1][kept], people[kept], effective[kept])
    first, second = (kept[side] for side in np.triu_indices(len(kept), 1))
    shared = 0.0 if correlation is None else np.asarray(correlation, dtype=np.float64)[first, second]
    columns = _columns(names, counts, effective, first, second, shared, is_ratio, margin, alpha, level)
    worst, best, marked = _extremes(counts, kept, first, second)
    return GapFamily(
        metric=metric,
        model=model,
        threshold=threshold,
        threshold_from=threshold_from,
        family=family,
        margin=float(margin),
        is_ratio=is_ratio,
        alpha=alpha,
        level=level,
        minimum_subjects=minimum_subjects,
        columns=columns,
        worst=str(names[worst]) if worst >= 0 else "",
        best=str(names[best]) if best >= 0 else "",
        worst_against_best=marked,
        left_out=tuple(str(name) for name in np.delete(names, kept)),
    )


def _columns(
    names: AnyArray,
    counts: list[IntArray],
    effective: FloatArray,
    first: IntArray,
    second: IntArray,
    shared: FloatArray | float,
    is_ratio: bool,
    margin: float,
    alpha: float,
    level: float,
) -> GapColumns:
    errors, trials, subjects = counts
    rate = np.divide(errors, trials, out=np.full(len(errors), np.nan), where=trials > 0)
    # A rate without an interval (one subject) can enter no test.
    rate_a, n_a = rate[first], np.nan_to_num(effective[first])
    rate_b, n_b = rate[second], np.nan_to_num(effective[second])
    sides = (rate_a, n_a, rate_b, n_b)
    z, tests = two_sided_z(level), max(len(first), 1)
    low, high = difference_at(*sides, z, shared)
    ratio_low, ratio_high = ratio_at(*sides, z, shared)
    found = judged(sides, shared, is_ratio=is_ratio, margin=margin, alpha=alpha)
    said = verdicts(beyond_margin=found.beyond_margin, within_margin=found.within_margin, differs=found.differs)
    tails = deciding_tails(said, found.p, found.p_adjusted, alpha)
    limits = limits_at(sides, z_of(tails), shared, is_ratio=is_ratio)
    interval = decided(limits, tails, said, found.differs, is_ratio=is_ratio)
    pooled = (errors[first] + errors[second]) / np.maximum(trials[first] + trials[second], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = rate_a / rate_b
        per_trial = subjects / effective
    # With no errors the effective trials are the worst case, not an estimate: plan with the other group's.
    cost_a = np.where((errors[first] == 0) & (errors[second] > 0), 0.0, per_trial[first])
    cost_b = np.where((errors[second] == 0) & (errors[first] > 0), 0.0, per_trial[second])
    return GapColumns(
        group_a=names[first],
        group_b=names[second],
        errors_a=errors[first],
        trials_a=trials[first],
        subjects_a=subjects[first],
        errors_b=errors[second],
        trials_b=trials[second],
        subjects_b=subjects[second],
        difference=rate_a - rate_b,
        difference_low=low,
        difference_high=high,
        ratio=ratio,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
        p=found.p,
        p_adjusted=found.p_adjusted,
        differs=found.differs,
        within_margin=found.within_margin,
        beyond_margin=found.beyond_margin,
        verdict=said,
        decided_low=interval.low,
        decided_high=interval.high,
        decided_level=interval.level,
        subjects_needed=subjects_needed(
            pooled, np.maximum(cost_a, cost_b), margin, is_ratio=is_ratio, alpha=alpha / tests
        ),
    )


def _extremes(counts: list[IntArray], kept: IntArray, first: IntArray, second: IntArray) -> tuple[int, int, int]:
    """Positions of the worst and the best group, the first of equals, and the row between them; -1 for none."""
    errors, trials, _ = counts
    rated = kept[trials[kept] > 0]
    if len(rated) < 2:
        return -1, -1, -1
    rate = errors[rated] / trials[rated]
    worst, best = int(rated[np.argmax(rate)]), int(rated[np.argmin(rate)])
    if worst == best:  # all rates are equal
        return -1, -1, -1
    row = np.flatnonzero((first == min(worst, best)) & (second == max(worst, best)))
    return worst, best, int(row[0])


def _is_ratio(metric: str, margin: float, scale: Scale) -> bool:
    """Whether the scale is that of ratios; raises StatisticsError where the margin is not on it."""
    if scale not in get_args(Scale):
        raise StatisticsError(f"scale {scale!r} is not known; give {' or '.join(map(repr, get_args(Scale)))}")
    of = f"the margin of {metric}" if metric else "the margin"
    if scale == "ratio" and not 1 < margin < np.inf:
        raise StatisticsError(f"{of} is a ratio above 1, not {margin}; 2 means twice as many errors")
    if scale == "difference" and not 0 < margin < 1:
        raise StatisticsError(f"{of} is a difference between 0 and 1, not {margin}; 0.02 is 2 points")
    return scale == "ratio"


def _check_family(names: AnyArray, counts: list[IntArray], effective: FloatArray, alpha: float) -> None:
    lengths = [len(array) for array in (names, *counts, effective)]
    if len(set(lengths)) != 1:
        raise StatisticsError(
            f"groups, errors, trials, subjects, effective_trials have {lengths} entries; give one each"
        )
    if len(set(names.tolist())) != len(names):
        raise StatisticsError("two groups of a family have one name; a gap must be of named groups")
    if np.any(counts[0] > counts[1]):
        row = int(np.flatnonzero(counts[0] > counts[1])[0])
        raise StatisticsError(f"group {names[row]!r} has {counts[0][row]} errors in {counts[1][row]} trials")
    if not 0 < alpha < 0.5:
        raise StatisticsError(f"alpha {alpha} is no false-alarm rate between 0 and 0.5; 0.05 is usual")
