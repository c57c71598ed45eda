"""The null distribution of a differential measure, by permutation of group labels over subjects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.statistics.differentials import GroupCounts, evaluate, named_measure
from facegap.statistics.effective import whole
from facegap.types import FloatArray, IntArray

CountsOfLabels = Callable[[IntArray], GroupCounts]


@dataclass(frozen=True, eq=False)
class PermutationNull:
    """A measure and its distribution under random assignment of groups.

    Attributes
    ----------
    observed
        Value for the actual labels.
    values
        float64 [permutations], NaN where undefined.
    median, extreme
        Of the defined values; `extreme` is the quantile that 5% exceed on the unfair side.
    p
        Proportion of permutations at least as unfair as the observed labels, which count as one; NaN if undefined.
    undefined
        Permutations without a value.
    """

    measure: str
    observed: float
    values: FloatArray
    median: float
    extreme: float
    p: float
    undefined: int


def counts_per_subject(errors: ArrayLike, trials: ArrayLike, n_groups: int) -> CountsOfLabels:
    """Counts that are sums over subjects (classification, genuine pairs): labels int [S] -> (errors, trials) [G].

    Parameters
    ----------
    errors, trials
        Integers [S], summed per subject.

    Examples
    --------
    >>> import numpy as np
    >>> counts = counts_per_subject([1, 0, 2], [2, 2, 2], 2)
    >>> counts(np.array([0, 0, 1]))
    (array([1., 2.]), array([4., 2.]))
    """
    wrong, total = whole(np.asarray(errors), "errors"), whole(np.asarray(trials), "trials")

    def counts(labels: IntArray) -> GroupCounts:
        return _sums_by(labels, wrong, n_groups), _sums_by(labels, total, n_groups)

    return counts


def counts_per_pair(
    left: ArrayLike, right: ArrayLike, wrong_pairs: ArrayLike, images: ArrayLike, n_groups: int
) -> CountsOfLabels:
    """False matches within each group: listed pairs of subjects in error, all image pairs of a group as trials.

    Parameters
    ----------
    left, right, wrong_pairs, images
        As in `dyadic_fmr`.

    Examples
    --------
    >>> import numpy as np
    >>> counts = counts_per_pair([0], [1], [1], [2, 2, 2, 2], 2)
    >>> counts(np.array([0, 0, 1, 1]))
    (array([1., 0.]), array([4., 4.]))
    """
    left_, right_ = whole(np.asarray(left), "left"), whole(np.asarray(right), "right")
    wrong, count = whole(np.asarray(wrong_pairs), "wrong_pairs"), whole(np.asarray(images), "images")

    def counts(labels: IntArray) -> GroupCounts:
        same = labels[left_] == labels[right_]
        errors = _sums_by(labels[left_[same]], wrong[same], n_groups)
        return errors, (_sums_by(labels, count, n_groups) ** 2 - _sums_by(labels, count**2, n_groups)) / 2

    return counts


def permutation_null(
    name: str,
    *counts: CountsOfLabels,
    labels: ArrayLike,
    rng: np.random.Generator,
    permutations: int = 1000,
    weight: float = 0.5,
) -> PermutationNull:
    """The measure `name` with group labels permuted over subjects, which keeps the images of a person together.

    Parameters
    ----------
    counts
        One per rate of the measure, from counts_per_subject or counts_per_pair.
    labels
        int codes 0..G-1 of each subject, [S].

    Raises
    ------
    StatisticsError
        If there is fewer than one permutation, and as in `differential`.

    Examples
    --------
    >>> import numpy as np
    >>> errors = counts_per_subject([1] * 10 + [0] * 30, [2] * 40, 2)
    >>> null = permutation_null("max_min_difference", errors, labels=[0] * 20 + [1] * 20, rng=np.random.default_rng(0))
    >>> null.observed, null.p < 0.05
    (0.25, True)
    """
    if permutations < 1:
        raise StatisticsError(f"{permutations} permutations are too few for a null distribution; 1000 is usual")
    measure, codes = named_measure(name), whole(np.asarray(labels), "labels")
    observed = float(evaluate(measure, tuple(of(codes) for of in counts), weight=weight))
    values = np.array(
        [
            float(evaluate(measure, tuple(of(dealt) for of in counts), weight=weight))
            for dealt in (rng.permutation(codes) for _ in range(permutations))
        ]
    )
    defined = values[~np.isnan(values)]
    sign = -1.0 if measure.higher_is_fairer else 1.0
    nothing = np.isnan(observed) or not len(defined)
    # Rounding must not make a permutation with the same groups appear fairer than the observed labels.
    as_unfair = int((sign * defined >= sign * observed - 1e-12 * abs(observed)).sum())
    return PermutationNull(
        measure=name,
        observed=observed,
        values=values,
        median=float(np.median(defined)) if len(defined) else float("nan"),
        extreme=float(np.quantile(sign * defined, 0.95) * sign) if len(defined) else float("nan"),
        p=float("nan") if nothing else (1 + as_unfair) / (1 + len(defined)),
        undefined=len(values) - len(defined),
    )


def _sums_by(codes: IntArray, values: IntArray, size: int) -> FloatArray:
    return np.bincount(codes, weights=values, minlength=size).astype(np.float64)
