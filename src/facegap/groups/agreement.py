"""Agreement of annotators: Krippendorff's alpha and Cohen's kappa, from tables that can be resampled.

Every measure is a function of the sum of one small table of counts per image (labels by labels). The value for a
bootstrap sample of people is therefore that of a weighted sum, and an interval costs one matrix product.

A matrix of codes is int64 [annotators, images]: the index of the label on its scale, NO_LABEL (-1) for none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from facegap.groups.annotations import NO_LABEL
from facegap.types import FloatArray, IntArray

Metric = Literal["nominal", "ordinal", "interval"]
Weights = Literal["none", "linear", "quadratic"]
Measure = Callable[[FloatArray], FloatArray]  # from summed tables float64 [..., *table] to float64 [...]
METRICS: tuple[Metric, ...] = ("nominal", "ordinal", "interval")
MOST_DRAWS = 4_000_000  # values in one block of resamples, to bound memory
NO_SPREAD = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A measure with its interval and sample sizes; NaN if undefined.

    images   : number of images compared; subjects: number of people in them
    low, high: bootstrap interval over people; NaN if undefined, see `middle`
    """

    value: float
    low: float
    high: float
    images: int
    subjects: int


# ---- tables of counts ----


def coincidences(codes: IntArray, labels: int) -> FloatArray:
    """Krippendorff's coincidences of each image: float64 [images, labels, labels], symmetric.

    Each ordered pair of answers to an image counts 1 / (answers - 1), so the weight of an image is its number of
    answers. An image with fewer than two answers cannot be compared and is all zeros.
    """
    counts = label_counts(codes, labels).astype(np.float64)
    answers = counts.sum(axis=1)
    ordered = counts[:, :, None] * counts[:, None, :]
    diagonal = np.arange(labels)
    ordered[:, diagonal, diagonal] -= counts
    others = np.where(answers > 1, answers - 1, 1.0)  # with one answer or none `ordered` is zero already
    return np.asarray(ordered / others[:, None, None], dtype=np.float64)


def label_counts(codes: IntArray, labels: int) -> IntArray:
    """Number of annotators who gave each label: int64 [images, labels]."""
    return np.stack([(codes == label).sum(axis=0) for label in range(labels)], axis=1).astype(np.int64)


def confusions(first: IntArray, second: IntArray, labels: int) -> FloatArray:
    """One table per image, float64 [images, labels, labels]: 1 at (first, second); all zeros unless both are given."""
    tables = np.zeros((len(first), labels, labels))
    both = np.flatnonzero((first != NO_LABEL) & (second != NO_LABEL))
    tables[both, first[both], second[both]] = 1.0
    return tables


# ---- alpha ----


def squared_distances(margins: FloatArray, metric: Metric) -> FloatArray:
    """Krippendorff's squared difference of each pair of labels, float64 [..., labels, labels].

    margins : float64 [..., labels], number of answers with each label; only the ordinal difference depends on it
    nominal : 0 or 1.  interval : (c - k)^2 of the indices.
    ordinal : (number of answers from c to k, those at both ends counting half)^2
    Source  : Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, section F
    """
    labels = margins.shape[-1]
    c, k = np.indices((labels, labels))
    if metric == "nominal":
        return np.broadcast_to((c != k).astype(np.float64), (*margins.shape, labels))
    if metric == "interval":
        return np.broadcast_to(((c - k) ** 2).astype(np.float64), (*margins.shape, labels))
    middles = np.cumsum(margins, axis=-1) - margins / 2  # between c < k lie middles[k] - middles[c] answers
    return np.asarray((middles[..., None, :] - middles[..., :, None]) ** 2, dtype=np.float64)


def alpha_of(table: FloatArray, metric: Metric) -> FloatArray:
    """Krippendorff's alpha of coincidence tables float64 [..., labels, labels]: 1 - observed / expected disagreement.

    NaN if only one label was given, or nothing can be compared: without variation agreement is undefined.
    Source : Krippendorff (2011): alpha = 1 - (n - 1) sum o_ck d_ck / sum n_c n_k d_ck
    """
    margins = table.sum(axis=-1)
    answers = margins.sum(axis=-1)
    distances = squared_distances(margins, metric)
    observed = (table * distances).sum(axis=(-2, -1))
    expected = (margins[..., :, None] * margins[..., None, :] * distances).sum(axis=(-2, -1))
    return 1.0 - _ratio((answers - 1) * observed, expected)


# ---- kappa ----


def kappa_of(table: FloatArray, weights: Weights) -> FloatArray:
    """Cohen's kappa of tables float64 [..., labels, labels]; NaN if both gave the same single label throughout.

    weights : of a disagreement by d steps: none 1, linear d, quadratic d^2
    Source  : Cohen (1960, 1968); checked against scikit-learn in tests/groups/test_agreement.py
    """
    labels = table.shape[-1]
    c, k = np.indices((labels, labels))
    cost = {"none": c != k, "linear": abs(c - k), "quadratic": (c - k) ** 2}[weights].astype(np.float64)
    observed = (table * cost).sum(axis=(-2, -1)) * table.sum(axis=(-2, -1))
    chance = table.sum(axis=-1)[..., :, None] * table.sum(axis=-2)[..., None, :]
    return 1.0 - _ratio(observed, (chance * cost).sum(axis=(-2, -1)))


def exact_agreement(table: FloatArray) -> FloatArray:
    """Proportion of images on which two annotators gave the same label; NaN without images."""
    return _ratio(np.trace(table, axis1=-2, axis2=-1), table.sum(axis=(-2, -1)))


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Quotient, NaN where the denominator is 0."""
    numerator, denominator = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    nothing = np.full(denominator.shape, np.nan)
    return np.asarray(np.divide(numerator, denominator, out=nothing, where=denominator > 0), dtype=np.float64)


# ---- intervals ----


def estimates(
    tables: FloatArray,
    measures: Sequence[Measure],
    subjects: IntArray,
    *,
    rng: np.random.Generator,
    replicates: int = 2000,
    level: float = 0.95,
) -> list[Estimate]:
    """Measures of summed tables, each with a percentile interval over the same bootstrap samples of people.

    tables   : float64 [images, ...], one per image; images whose table is all zeros are ignored
    subjects : int64 [images], any codes: the people to be resampled, each with all of their images. Annotators are not
               resampled: the interval refers to other faces, not to other annotators
    """
    flat = tables.reshape(len(tables), -1)
    taking_part = flat.any(axis=1)
    people, codes = np.unique(subjects[taking_part], return_inverse=True)
    of_people = np.zeros((len(people), flat.shape[1]))
    np.add.at(of_people, codes, flat[taking_part])
    sums = resampled_sums(of_people, replicates, rng).reshape(replicates, *tables.shape[1:])
    images, whole = int(taking_part.sum()), tables.sum(axis=0)
    return [Estimate(float(of(whole)), *middle(of(sums), level), images, len(people)) for of in measures]


def resampled_sums(tables: FloatArray, replicates: int, rng: np.random.Generator) -> FloatArray:
    """Sums over bootstrap samples of people: float64 [replicates, cells].

    tables : float64 [people, cells]
    """
    people = len(tables)
    sums = np.zeros((replicates, tables.shape[1]))
    together = max(1, MOST_DRAWS // max(people, 1))
    for start in range(0, replicates if people else 0, together):
        size = min(together, replicates - start)
        sums[start : start + size] = rng.multinomial(people, np.full(people, 1 / people), size=size) @ tables
    return sums


def middle(replicates: FloatArray, level: float) -> tuple[float, float]:
    """The central interval with probability `level` of the defined replicates; NaN if fewer than half are defined.

    Also NaN if all are equal: with one person, or no disagreement at all, the variation is unknown.
    """
    defined = replicates[~np.isnan(replicates)]
    if not len(defined) or 2 * len(defined) < len(replicates) or np.ptp(defined) < NO_SPREAD:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def fitting_metrics(*, ordinal: bool) -> tuple[Metric, ...]:
    """The metrics of a scale: for an unordered one only the nominal metric."""
    return METRICS if ordinal else ("nominal",)


# ---- measures of numbers, for the same intervals ----


def mean_table(values: FloatArray) -> FloatArray:
    """Tables for `estimates` whose measure is `mean_of`: float64 [images, 2], (value, 1); zeros where it is NaN."""
    known = ~np.isnan(values)
    return np.stack([np.where(known, values, 0.0), known.astype(np.float64)], axis=1)


def mean_of(table: FloatArray) -> FloatArray:
    """Mean from summed tables float64 [..., 2]; NaN without values."""
    return _ratio(table[..., 0], table[..., 1])


def correlation_table(first: FloatArray, second: FloatArray) -> FloatArray:
    """Tables for `estimates` whose measure is `correlation_of`: float64 [images, 6]; zeros where either is NaN."""
    known = ~(np.isnan(first) | np.isnan(second))
    x, y = np.where(known, first, 0.0), np.where(known, second, 0.0)
    return np.stack([known.astype(np.float64), x, y, x * x, y * y, x * y], axis=1)


def correlation_of(table: FloatArray) -> FloatArray:
    """Pearson's correlation from summed tables float64 [..., 6]; NaN if either variable is constant."""
    n, x, y, xx, yy, xy = np.moveaxis(table, -1, 0)
    spread_x, spread_y = n * xx - x * x, n * yy - y * y
    # Rounding errors are about 1e-16 of the sums.
    varies = (spread_x > NO_SPREAD * n * xx) & (spread_y > NO_SPREAD * n * yy)
    return _ratio(n * xy - x * y, np.sqrt(np.where(varies, spread_x * spread_y, 0.0)))
