"""All gaps between the groups of one family: differences, ratios, intervals, p-values, verdicts, subjects needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.statistics.effective import whole
from facegap.statistics.family_tests import (
    deciding_intervals,
    deciding_tails,
    family_size,
    gap_tests,
    limits_at,
    z_of,
)
from facegap.statistics.gap_families import NO_OTHERS, GapBasis, GapColumns, GapFamily
from facegap.statistics.intervals import difference_at, two_sided_z
from facegap.statistics.lending import lent_trials
from facegap.statistics.ratios import ratio_at
from facegap.statistics.verdicts import EXPLORATORY, subjects_needed, verdicts, withheld
from facegap.types import AnyArray, FloatArray, IntArray, Scale

MINIMUM_SUBJECTS = 20
ALPHA = 0.05


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
    rates: ArrayLike | None = None,
    dominated_by: ArrayLike | None = None,
) -> GapFamily:
    """All pairwise gaps of a family specified in advance, with Holm's p and verdicts.

    Parameters
    ----------
    groups
        Names of the G groups; their order determines which group is a and which is b.
    errors, trials, subjects
        Whole numbers [G].
    effective_trials
        float64 [G], from the Rate of each group; NaN if it has no interval. Groups with at most one error borrow
        information from the other groups of the family; see `lent_trials`.
    margin
        > 1 for a ratio, in (0, 1) for a difference.
    scale
    metric, model, threshold, threshold_from, family
        Labels of the rates, as in the rows of GAPS.
    alpha
        False-alarm rate of the whole family. `differs` is Holm's p <= alpha; `within_margin` requires the interval at
        level 1 - 2 alpha / m to lie inside the margin, m being the number of gaps, and `beyond_margin` that at level 1
        - alpha / m to lie outside it.
    level
        Confidence level of the unadjusted intervals of difference and ratio. The interval that determined the verdict is in
        `decided_low`, `decided_high` and `decided_level`, on the margin's scale.
    minimum_subjects
        Groups with fewer subjects are excluded and named in `left_out`.
    correlation
        float64 [G, G] of the rates of groups that share subjects (from `subject_correlation` or from bootstrap
        replicates); None if no subject is in two groups.
    effective_subjects
        float64 [G], (sum t)^2 / sum t^2 over the trials t of a group's sampling units, to be compared with
        `minimum_subjects` instead of numbers of subjects; None: numbers of subjects.
    rates
        float64 [G], rates to compare if they are not errors / trials, for example with equal weights of subjects;
        `effective_trials` then refer to these.
    dominated_by
        Whole numbers [G], the number of subjects that dominate each group (statistics/dominated.py); a verdict that
        depends on them is withheld, see `withheld`. None: no group is dominated.

    Returns
    -------
    GapFamily
        If a rate has no interval, p is NaN and the verdict "not enough data".

    Raises
    ------
    StatisticsError
        If the scale is unknown, the margin is out of range for it, or the arrays differ in length.

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
    rate = np.divide(counts[0], counts[1], out=np.full(len(names), np.nan), where=counts[1] > 0)
    if rates is not None:
        rate = np.atleast_1d(np.asarray(rates, np.float64))
    front = whole(np.zeros(len(names)) if dominated_by is None else np.asarray(dominated_by), "dominated_by")
    basis = _basis(counts, rate, effective, first, second, shared)
    sizes = _sizes(names, counts, basis, front, first, second, level)
    tested = _tested(sizes, basis, NO_OTHERS, is_ratio=is_ratio, margin=margin, alpha=alpha, is_primary=True)
    worst, best, marked = _extremes(counts[1], rate, kept, first, second)
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
        columns=GapColumns(**sizes, **tested),
        worst=str(names[worst]) if worst >= 0 else "",
        best=str(names[best]) if best >= 0 else "",
        worst_against_best=marked,
        left_out=tuple(str(name) for name in np.delete(names, kept)),
        basis=basis,
        others=NO_OTHERS,
    )


def jointly_tested(
    families: Sequence[GapFamily], p: Sequence[FloatArray] | None = None, *, is_primary: bool = True
) -> list[GapFamily]:
    """Test several families as one: Holm's p, intervals and verdicts account for the gaps of all of them.

    Parameters
    ----------
    families : sequence of GapFamily
        Families of any metrics, thresholds and scales, with the same alpha. Any earlier joint test is ignored.
    p : sequence of float64 [m], optional p-values with which each family enters the tests of the others, if not its
        own.
    is_primary : bool, default True
        Whether the gaps get verdicts. Exploratory gaps keep p and the interval at Holm's step.

    Returns
    -------
    list of GapFamily
        In the given order. Estimates, unadjusted intervals and p are unchanged.

    Raises
    ------
    StatisticsError
        If the families have different alpha.

    Examples
    --------
    >>> counts = ([40, 20], [200, 200], [200, 200], [200.0, 200.0])  # errors, trials, subjects, effective trials
    >>> alone = gap_family(["women", "men"], *counts, margin=0.02, scale="difference")
    >>> among = jointly_tested([alone, alone])[0]
    >>> among.tests, bool(among.columns.p_adjusted[0] == 2 * alone.columns.p[0])
    (2, True)
    """
    if len({family.alpha for family in families}) > 1:
        raise StatisticsError("families with different alpha cannot be tested together; use one alpha for all")
    entering = [family.columns.p for family in families] if p is None else list(p)
    return [
        jointly_tested_with(
            family, np.concatenate([NO_OTHERS, *entering[:k], *entering[k + 1 :]]), is_primary=is_primary
        )
        for k, family in enumerate(families)
    ]


def jointly_tested_with(family: GapFamily, others: FloatArray, *, is_primary: bool) -> GapFamily:
    """Test the family as part of a larger one whose other gaps have these p-values, float64 [any]."""
    sizes = {name: getattr(family.columns, name) for name in _SIZES}
    tested = _tested(
        sizes,
        family.basis,
        others,
        is_ratio=family.is_ratio,
        margin=family.margin,
        alpha=family.alpha,
        is_primary=is_primary,
    )
    return replace(family, columns=GapColumns(**sizes, **tested), others=others, is_primary=is_primary)


def _basis(
    counts: list[IntArray],
    rate: FloatArray,
    effective: FloatArray,
    first: IntArray,
    second: IntArray,
    shared: FloatArray | float,
) -> GapBasis:
    errors, _, subjects = counts
    # A rate without an interval (one subject) cannot be tested.
    sides = rate[first], np.nan_to_num(effective[first]), rate[second], np.nan_to_num(effective[second])
    with np.errstate(divide="ignore", invalid="ignore"):
        per_trial = subjects / effective
    # Without errors the effective trials are a worst case, not an estimate, so the plan uses those of the other group.
    cost_a = np.where((errors[first] == 0) & (errors[second] > 0), 0.0, per_trial[first])
    cost_b = np.where((errors[second] == 0) & (errors[first] > 0), 0.0, per_trial[second])
    return GapBasis(sides, np.broadcast_to(np.asarray(shared, np.float64), first.shape), np.maximum(cost_a, cost_b))


def _sizes(
    names: AnyArray,
    counts: list[IntArray],
    basis: GapBasis,
    front: IntArray,
    first: IntArray,
    second: IntArray,
    level: float,
) -> dict[str, AnyArray]:
    """The columns of effect size, which do not depend on what is tested together."""
    errors, trials, subjects = counts
    z = two_sided_z(level)
    low, high = difference_at(*basis.sides, z, basis.shared)
    ratio_low, ratio_high = ratio_at(*basis.sides, z, basis.shared)
    rate_a, rate_b = basis.sides[0], basis.sides[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = rate_a / rate_b
    return {
        "group_a": names[first],
        "group_b": names[second],
        "errors_a": errors[first],
        "trials_a": trials[first],
        "subjects_a": subjects[first],
        "errors_b": errors[second],
        "trials_b": trials[second],
        "subjects_b": subjects[second],
        "difference": rate_a - rate_b,
        "difference_low": low,
        "difference_high": high,
        "ratio": ratio,
        "ratio_low": ratio_low,
        "ratio_high": ratio_high,
        "rate_a": rate_a,
        "rate_b": rate_b,
        "dominated_by_a": front[first],
        "dominated_by_b": front[second],
    }


def _tested(
    sizes: Mapping[str, AnyArray],
    basis: GapBasis,
    others: FloatArray,
    *,
    is_ratio: bool,
    margin: float,
    alpha: float,
    is_primary: bool,
) -> dict[str, AnyArray]:
    """The columns that depend on what is tested together."""
    found = gap_tests(basis.sides, basis.shared, is_ratio=is_ratio, margin=margin, alpha=alpha, others=others)
    said = verdicts(beyond_margin=found.beyond_margin, within_margin=found.within_margin, differs=found.differs)
    said = withheld(said, (sizes["rate_a"], sizes["rate_b"]), (sizes["dominated_by_a"], sizes["dominated_by_b"]))
    said = said if is_primary else np.full(len(said), EXPLORATORY)
    tests = family_size(found.p, others)
    tails = deciding_tails(said, found.p, found.p_adjusted, alpha, tests)
    limits = limits_at(basis.sides, z_of(tails), basis.shared, is_ratio=is_ratio)
    interval = deciding_intervals(limits, tails, said, found.differs, is_ratio=is_ratio)
    pooled = (sizes["errors_a"] + sizes["errors_b"]) / np.maximum(sizes["trials_a"] + sizes["trials_b"], 1)
    return {
        "p": found.p,
        "p_adjusted": found.p_adjusted,
        "differs": found.differs,
        "within_margin": found.within_margin,
        "beyond_margin": found.beyond_margin,
        "verdict": said,
        "decided_low": interval.low,
        "decided_high": interval.high,
        "decided_level": interval.level,
        "subjects_needed": subjects_needed(pooled, basis.costs, margin, is_ratio=is_ratio, alpha=alpha / max(tests, 1)),
    }


_TESTED = ("p", "p_adjusted", "differs", "within_margin", "beyond_margin", "verdict", "subjects_needed")
_SIZES = tuple(
    one.name for one in fields(GapColumns) if one.name not in _TESTED and not one.name.startswith("decided_")
)


def _extremes(
    trials: IntArray, rate: FloatArray, kept: IntArray, first: IntArray, second: IntArray
) -> tuple[int, int, int]:
    """Indices of the worst and the best group, the first in a tie, and of the row between them; -1 for none."""
    rated = kept[trials[kept] > 0]
    if len(rated) < 2:
        return -1, -1, -1
    worst, best = int(rated[np.argmax(rate[rated])]), int(rated[np.argmin(rate[rated])])
    if worst == best:  # all rates are equal
        return -1, -1, -1
    row = np.flatnonzero((first == min(worst, best)) & (second == max(worst, best)))
    return worst, best, int(row[0])


def _is_ratio(metric: str, margin: float, scale: Scale) -> bool:
    """Whether the scale is that of ratios; raises StatisticsError if the margin is out of range for the scale."""
    if scale not in get_args(Scale):
        raise StatisticsError(f"scale {scale!r} is not known; give {' or '.join(map(repr, get_args(Scale)))}")
    of = f"the margin of {metric}" if metric else "the margin"
    if scale == "ratio" and not 1 < margin < np.inf:
        raise StatisticsError(f"{of} is a ratio above 1, not {margin}; 2 means twice as many errors")
    if scale == "difference" and not 0 < margin < 1:
        raise StatisticsError(f"{of} is a difference between 0 and 1, not {margin}; 0.02 is 2 percentage points")
    return scale == "ratio"


def _check_family(names: AnyArray, counts: list[IntArray], effective: FloatArray, alpha: float) -> None:
    lengths = [len(array) for array in (names, *counts, effective)]
    if len(set(lengths)) != 1:
        raise StatisticsError(
            f"groups, errors, trials, subjects, effective_trials have {lengths} entries; give one each"
        )
    if len(set(names.tolist())) != len(names):
        raise StatisticsError("two groups of a family have the same name; give each group a unique name")
    if np.any(counts[0] > counts[1]):
        row = int(np.flatnonzero(counts[0] > counts[1])[0])
        raise StatisticsError(f"group {names[row]!r} has {counts[0][row]} errors in {counts[1][row]} trials")
    if not 0 < alpha < 0.5:
        raise StatisticsError(f"alpha {alpha} is not a false-alarm rate between 0 and 0.5; 0.05 is usual")
