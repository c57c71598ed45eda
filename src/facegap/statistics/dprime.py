"""d': the separation of genuine and impostor scores, and its difference between two settings.

The sampling unit is the subject: each has the same weight, however many images there are. The difference of two
settings over the same subjects is estimated by a delete-one-subject jackknife, so effects of the subject common to both
cancel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from facegap.errors import StatisticsError
from facegap.types import FloatArray, IntArray

# Templates are float32: a smaller spread of scores is only rounding.
NO_SPREAD = 1e-6


@dataclass(frozen=True, eq=False)
class SubjectScores:
    """Means of scores and of their squares per subject; sufficient for d' with or without any one subject.

    genuine, genuine_squares   : float64 [S], mean over the pairs of images of each subject
    impostor, impostor_squares : float64 [S], sum over all other subjects of the mean over the pairs with that subject
    """

    genuine: FloatArray
    genuine_squares: FloatArray
    impostor: FloatArray
    impostor_squares: FloatArray


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two settings over the same subjects, with interval and two-sided p-value.

    If no subject differs, p is 1 and the interval is a point. All are NaN if the difference is undefined.
    """

    difference: float
    low: float
    high: float
    p: float
    subjects: int
    level: float


def subject_scores(scores: FloatArray, subjects: IntArray) -> SubjectScores:
    """Summarise the scores of all pairs of images per subject.

    scores   : float64 [n, n], symmetric; the diagonal is not read
    subjects : int64 [n], codes 0..S-1, each at least twice
    Raises   : StatisticsError if a subject has one image, or there are fewer than three subjects
    """
    images = np.bincount(subjects)
    if len(images) < 3 or images.min() < 2:
        raise StatisticsError("d' needs at least three people, each with two or more images")
    member = np.zeros((len(images), len(subjects)))
    member[subjects, np.arange(len(subjects))] = 1.0
    apart = np.where(np.eye(len(subjects), dtype=bool), 0.0, scores)
    pairs = np.outer(images, images) - np.diag(images)
    means, squares = (member @ values @ member.T / pairs for values in (apart, apart**2))
    own, own_squares = np.diag(means).copy(), np.diag(squares).copy()
    return SubjectScores(own, own_squares, means.sum(axis=1) - own, squares.sum(axis=1) - own_squares)


def d_prime(found: SubjectScores) -> float:
    """(mean genuine - mean impostor) / sqrt((variance of genuine + variance of impostor) / 2).

    Subjects have equal weights in the genuine mean, pairs of subjects in the impostor mean; variances are of all those
    scores, divided by their number.

    Without spread of the scores : 0 if both means are equal, else NaN
    Source : the decidability index of Daugman (2000), Biometric decision landscapes
    """
    return float(_d_prime(_totals(found), len(found.genuine)))


def d_prime_without_each(found: SubjectScores) -> FloatArray:
    """d' with each subject deleted in turn: float64 [S]."""
    own = np.stack([found.genuine, found.genuine_squares, found.impostor, found.impostor_squares])
    return np.asarray(_d_prime(_totals(found)[:, None] - own, len(found.genuine) - 1), dtype=np.float64)


def paired_d_prime(variant: SubjectScores, base: SubjectScores, *, level: float = 0.95) -> PairedDifference:
    """d' of one setting minus d' of another over the same subjects: jackknife over subjects, Student's t with S - 1.

    variant, base : of the same subjects in the same order
    Raises        : StatisticsError if their numbers differ
    Source        : Tukey's jackknife, Var = (S - 1) / S * sum (d_(i) - mean d_(i))^2, d_(i) without subject i. An
                    impostor pair is deleted with either subject, so the variance specific to pairs counts twice: the
                    interval is slightly too wide, never too narrow for that reason
    """
    if len(variant.genuine) != len(base.genuine):
        raise StatisticsError(
            f"{len(variant.genuine)} people in one set and {len(base.genuine)} in the other; give "
            f"both for the same people"
        )
    people = len(base.genuine)
    left_out = d_prime_without_each(variant) - d_prime_without_each(base)
    variance = (people - 1) / people * float(((left_out - left_out.mean()) ** 2).sum())
    return student(d_prime(variant) - d_prime(base), variance, people, level=level)


def student(difference: float, variance: float, subjects: int, *, level: float) -> PairedDifference:
    """A difference with its t interval with `subjects` - 1 degrees of freedom."""
    if not np.isfinite(difference) or not np.isfinite(variance) or subjects < 2:
        return PairedDifference(difference, np.nan, np.nan, np.nan, subjects, level)
    deviation = float(np.sqrt(variance))
    half = float(stats.t.ppf((1 + level) / 2, subjects - 1)) * deviation
    if deviation == 0:  # the same difference for every subject
        return PairedDifference(difference, difference, difference, float(difference == 0), subjects, level)
    p = float(2 * stats.t.sf(abs(difference) / deviation, subjects - 1))
    return PairedDifference(difference, difference - half, difference + half, p, subjects, level)


def _totals(found: SubjectScores) -> FloatArray:
    """Sums of genuine means and squares over subjects, and of impostor ones over pairs of subjects: float64 [4]."""
    impostor, squares = found.impostor.sum() / 2, found.impostor_squares.sum() / 2  # each pair twice
    return np.array([found.genuine.sum(), found.genuine_squares.sum(), impostor, squares])


def _d_prime(totals: FloatArray, people: int) -> FloatArray:
    """d' from the sums of genuine scores, their squares, impostor scores and their squares, float64 [4, ...]."""
    count = np.array([people, people, people * (people - 1) / 2, people * (people - 1) / 2])
    genuine, genuine_squares, impostor, impostor_squares = totals / count.reshape(4, *(1,) * (totals.ndim - 1))
    variance = (genuine_squares - genuine**2 + impostor_squares - impostor**2) / 2
    spread = np.sqrt(np.maximum(variance, 0.0))
    flat = spread < NO_SPREAD
    alike = np.abs(genuine - impostor) < NO_SPREAD
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(flat, np.where(alike, 0.0, np.nan), (genuine - impostor) / np.where(flat, 1.0, spread))
