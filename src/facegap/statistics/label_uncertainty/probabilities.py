"""Label uncertainty as probabilities: from annotators' answers, pooled per person, resampled, and combined by Rubin's rules.

A matrix of probabilities is float64 [n, K]: one row per image or person, one column per class; rows sum to 1, and a row
of NaN means unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc

from facegap.errors import StatisticsError
from facegap.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Rubin:
    """Combined estimates of M resamples; every array has the shape of one estimate.

    estimate : mean over the resamples
    within   : mean of their variances
    between  : variance between the resamples
    total    : within + (1 + 1/M) between
    freedom  : of Student's t; infinite where the resamples agree
    """

    estimate: FloatArray
    within: FloatArray
    between: FloatArray
    total: FloatArray
    freedom: FloatArray


def rubin(estimates: FloatArray, variances: FloatArray) -> Rubin:
    """Rubin's rules over the first axis: estimates and their variances, float64 [M, ...], M at least 2.

    returns : NaN where any resample is NaN
    Raises  : StatisticsError if there are fewer than two resamples
    Source  : Rubin (1987), Multiple Imputation for Nonresponse in Surveys, equations 3.1.2 to 3.1.6
    """
    draws = len(estimates)
    if draws < 2:
        raise StatisticsError(f"{draws} resamples are too few to estimate the spread between them; use two or more")
    mean, within = estimates.mean(axis=0), variances.mean(axis=0)
    between = ((estimates - mean) ** 2).sum(axis=0) / (draws - 1)
    alike = (estimates == estimates[0]).all(axis=0)  # the mean of equal values may have a rounding error
    mean, between = np.where(alike, estimates[0], mean), np.where(alike, 0.0, between)
    added = (1 + 1 / draws) * between
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # overflow: treated as infinite
        freedom = np.where(added > 0, (draws - 1) * (1 + within / added) ** 2, np.inf)
    return Rubin(mean, within, between, within + added, np.where(np.isnan(mean), np.nan, freedom))


def median_probabilities(counts: IntArray) -> FloatArray:
    """Exact bootstrap probability of each class as the median answer of an image's annotators.

    counts  : int [n, K], how many annotators gave each class of an ordered scale
    returns : float64 [n, K]: probability that class v is the median of a sample with replacement of the a answers of an
              image, of the same size. If an even number has two middle classes, each counts half. NaN with fewer than
              two answers, as one answer has no information about the variation between annotators
    Note    : two or three annotators who agree count as certain, although a fourth might have differed; the uncertainty
              of divided answers is somewhat overestimated. For three annotators with an error rate of one in five the
              two biases nearly cancel
    Source  : P(median <= v) = P(Binomial(a, proportion up to v) >= rank of the median), Efron's bootstrap without sampling
    """
    answers = counts.sum(axis=1)
    several = answers >= 2
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.cumsum(counts, axis=1) / answers[:, None]
    up_to = np.zeros(share.shape)
    for rank in ((answers + 1) // 2, answers // 2 + 1):
        first = np.where(several, rank, 1)[:, None]
        last = np.where(several, answers - rank + 1, 1)[:, None]
        up_to += betainc(first, last, np.where(several[:, None], share, 0.0)) / 2
    found = np.diff(up_to, axis=1, prepend=0.0)
    return np.where(several[:, None], found, np.nan)


def second_answers(counts: IntArray) -> FloatArray:
    """Distribution of a second answer given a first answer v: float64 [K, K], rows sum to 1; NaN for classes never compared.

    counts : int [n, K]; images with at least two answers. Each ordered pair of an image's a answers counts 1 / (a - 1)
    """
    compared = counts[counts.sum(axis=1) >= 2].astype(np.float64)
    others = compared[:, None, :] - np.eye(counts.shape[1])
    pairs = (compared[:, :, None] * others / (compared.sum(axis=1) - 1)[:, None, None]).sum(axis=0)
    total = pairs.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(pairs, total, out=np.full(pairs.shape, np.nan), where=total > 0), dtype=np.float64)


def answer_probabilities(counts: IntArray, *, ordinal: bool) -> FloatArray:
    """Class probabilities of each image from its annotators' answers, float64 [n, K].

    counts  : int [n, K], how many annotators gave each class
    ordinal : False: an unordered scale has no median, so the probability of a class is its proportion of the answers
    returns : with at least two answers, `median_probabilities`. With one answer v, the distribution of second answers
              given v, estimated from the images with several answers; it includes the errors of both annotators, so it
              overestimates the uncertainty. NaN without answers, and for one answer if no image has several
    """
    answers = counts.sum(axis=1)
    if ordinal:
        found = median_probabilities(counts)
    else:
        found = np.divide(counts, answers[:, None], out=np.full(counts.shape, np.nan), where=answers[:, None] >= 2)
    alone = answers == 1
    found[alone] = second_answers(counts)[counts[alone].argmax(axis=1)]
    return found


def pooled_over_people(probabilities: FloatArray, people: IntArray) -> FloatArray:
    """One row per person: the mean over the person's images that have probabilities; NaN for people without any.

    people  : int [n], codes 0..S-1 of the person of each image
    returns : float64 [S, K]. A tone belongs to a person, so one is sampled for all of the person's images. The mean
              corresponds to one image at random: contradictory images give uncertainty, and images that agree give no
              more certainty than each alone, because images from one camera or studio may share an error (or were
              already pooled)
    """
    size, known = int(people.max(initial=-1)) + 1, ~np.isnan(probabilities).any(axis=1)
    sums = np.zeros((size, probabilities.shape[1]))
    np.add.at(sums, people[known], probabilities[known])
    images = np.bincount(people[known], minlength=size)[:, None]
    return np.asarray(np.divide(sums, images, out=np.full(sums.shape, np.nan), where=images > 0), dtype=np.float64)


def sampled_classes(probabilities: FloatArray, rng: np.random.Generator) -> IntArray:
    """One class per row, sampled from its probabilities: int64 [n], -1 for rows of NaN. One random number per row."""
    reached = np.cumsum(probabilities[:, :-1], axis=1)
    uniform = rng.random(len(probabilities))
    classes = (uniform[:, None] >= reached).sum(axis=1)
    return np.where(np.isnan(probabilities).any(axis=1), -1, classes).astype(np.int64)


def attenuation(confusion: FloatArray, first: IntArray, second: IntArray) -> FloatArray:
    """Proportion of a difference between two groups that remains between the groups by label.

    confusion     : float64 [G, G]; expected proportion of group h among those labelled g. A row may sum to less than 1:
                    the others are in no group
    first, second : int [m], the pairs
    returns       : float64 [m], at most 1; (c_aa + c_bb - c_ab - c_ba) / 2. For two classes it is the sum of the
                    proportions of correct labels minus 1. With more groups, the others are assumed to be midway between
                    the two
    Note          : assumes calibrated probabilities, and label errors independent of the model
    """
    right = confusion[first, first] + confusion[second, second]
    crossed = confusion[first, second] + confusion[second, first]
    return np.asarray((right - crossed) / 2, dtype=np.float64)
