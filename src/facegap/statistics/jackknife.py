"""The variance of a rate over pairs of people, and the equivalent number of independent trials.

The published formula (Fogliato, Patil and Perona 2024) sums the squared errors of pairs and the products of pairs that
share a person. With few people its intervals undercover. The estimate used here is a delete-one-person jackknife, with
three quarters of the noise specific to pairs subtracted (a jackknife counts it twice; subtracting all of it
underestimates the variance too often), and with Student's t. benchmarks/coverage_study.py compares both.

If people have different numbers of images, that variance depends on the few pairs with many. It is therefore compared
with a model-based variance: effects of persons and of pairs of people, estimated with equal weights of pairs of people,
and applied to the actual trials. The larger of the two is used. With equal numbers of images the model gives the
published formula.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from facegap.statistics.effective import carriers_of, effective_trials
from facegap.types import FloatArray

PAIR_NOISE_REMOVED = 0.75  # of one of its two counts; chosen by the coverage study
# If people with few images have high error rates, the model overestimates the variance between people, so it is capped at this
# multiple of the jackknife (benchmarks/coverage.md).
MOST_BY_MODEL = 2.0


@dataclass(frozen=True, eq=False)
class PairSums:
    """Sums per subject for the variance of a pair rate; the last axis is subjects, leading axes are rates.

    Instead of subjects there may be units of several people (clusters). Then both people of a pair may belong to the
    same unit: such pairs count once among the errors of the unit, and on both of its sides.

    errors       : float64 [..., S], over all pairs that involve the subject
    trials_left  : float64 [..., S], trials with the subject on the left; within one group, where the side is arbitrary,
                   half of its trials. They sum to all trials
    trials_right : float64 [..., S], likewise
    squares      : float64 [..., S], sum over its pairs with others of (errors - rate * trials) squared
    within       : float64 [..., S] or broadcastable, trials between two people of the unit, which are on both sides
    trial_squares : float64 [..., S], sum over its pairs with others of trials squared. Needed with `even`
    independent  : float64 [...], variance of the sum of errors, in units of that of one trial, if all were independent;
                   None: the number of trials
    even         : the same with equal weights of pairs of people: each pair has 1 trial, and its error rate as errors;
                   None if numbers of images are equal or unknown
    """

    errors: FloatArray
    trials_left: FloatArray
    trials_right: FloatArray
    squares: FloatArray
    within: FloatArray = field(default_factory=lambda: np.zeros(1))
    trial_squares: FloatArray = field(default_factory=lambda: np.zeros(1))
    independent: FloatArray | None = None
    even: PairSums | None = None

    @property
    def own_trials(self) -> FloatArray:
        """Trials that involve the subject, each once: those removed when it is deleted."""
        return np.asarray(self.trials_left + self.trials_right - self.within, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Jackknife:
    """The variance of pair rates by deleting one subject (or unit) at a time, float64 [...] each.

    total     : the jackknife variance
    noise     : the part due to noise of individual pairs, which is counted twice; for pairs within a unit once
    influence : [..., S], contribution of each subject to `total`
    """

    total: FloatArray
    noise: FloatArray
    influence: FloatArray


def jackknifed(rate: FloatArray, trials: FloatArray, sums: PairSums) -> Jackknife:
    """Jackknife: deleting a subject changes the rate by its influence over the remaining trials; squares are summed.

    rate, trials : float64 [...]
    returns      : not finite where one subject is in every trial
    """
    on_left, on_right = (sums.trials_left > 0).sum(-1), (sums.trials_right > 0).sum(-1)
    people = np.where(sums.trials_left >= sums.trials_right, on_left[..., None], on_right[..., None])
    own_trials = sums.own_trials
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (people - 1) / people / (trials[..., None] - own_trials) ** 2
        influence = scale * (sums.errors - rate[..., None] * own_trials) ** 2
        noise = (scale * sums.squares).sum(-1) / 2
    return Jackknife(influence.sum(-1), noise, influence)


def plain_variance(rate: FloatArray, trials: FloatArray, sums: PairSums) -> FloatArray:
    """The published formula, for comparison: [sum e_ij^2 + max(0, sum of products that share a person)] / M^2.

    rate, trials : float64 [...]; e_ij is the sum over the image pairs of identities i, j of (error - rate)
    Source       : Fogliato, Patil, Perona (2024)
    """
    influence = sums.errors - rate[..., None] * sums.own_trials
    noise = sums.squares.sum(-1) / 2  # every pair is in the sums of two people
    return np.asarray(np.maximum((influence**2).sum(-1) - noise, noise) / trials**2, dtype=np.float64)


def pair_effective_trials(
    rate: FloatArray, trials: FloatArray, sums: PairSums, *, level: float, uneven: bool = False
) -> FloatArray:
    """Effective trials of pair rates from the larger variance, with Student's t, bounded by disjoint pairs and by trials.

    rate, trials : float64 [...]
    uneven       : trials are weights that may be correlated with errors. Then the whole variance is estimated, which
                   requires Student's t, and disjoint pairs do not bound it
    returns      : float64 [...]; NaN where rate is NaN. With two people, or one person in every pair, only the bound
    """
    found = jackknifed(rate, trials, sums)
    alone = rate * (1 - rate) * (trials if sums.independent is None else sums.independent)
    with np.errstate(divide="ignore", invalid="ignore"):
        independent = alone / trials**2
        least = np.maximum(independent, found.noise)
        variance = np.maximum(least, found.total - PAIR_NOISE_REMOVED * found.noise)
        if sums.even is not None:
            of_people, of_pairs = modelled(sums, sums.even)
            by_model = independent + (of_people + of_pairs) / trials**2
            least = np.maximum(least, np.minimum(by_model, MOST_BY_MODEL * variance))
            variance = np.maximum(variance, least)
        # The variance due to people and pairs of people is estimated with all the noise added by the jackknife subtracted,
        # relative to independent trials inflated as by a jackknife.
        inflated = independent * np.maximum(found.noise / (sums.squares.sum(-1) / 2 / trials**2), 1.0)
        shared = np.clip(1 - inflated / np.maximum(least, found.total - found.noise), 0.0, 1.0)
        cap = trials**2 * rate * (1 - rate) / alone
    known = np.isfinite(variance)
    carriers = carriers_of(found.influence)
    return effective_trials(
        rate,
        np.where(np.isfinite(cap), cap, trials),
        variance=np.where(known, variance, np.inf),
        shared=np.where(known & np.isfinite(shared) & (not uneven), shared, 1.0),
        carriers=np.where(known & np.isfinite(carriers), carriers, 1.0),
        at_least=np.ones_like(trials) if uneven else disjoint_pairs(trials, sums),
        level=level,
    )


def modelled(sums: PairSums, even: PairSums) -> tuple[FloatArray, FloatArray]:
    """Contributions of effects of people, and of pairs of people, to the variance of the sum of errors, float64 [...] each.

    Both are estimated with equal weights of pairs of people: that of people from products of pairs that share one, that
    of pairs from the excess of their squares over independent trials. Neither is negative.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = even.trials_left.sum(-1)
        rate = even.errors.sum(-1) / even.own_trials.sum(-1)
        influence = even.errors - rate[..., None] * even.own_trials
        of_people = ((influence**2).sum(-1) - even.squares.sum(-1)) / shared_trials(even)
        alone = rate * (1 - rate) * (pairs if even.independent is None else even.independent)
        of_pairs = (even.squares.sum(-1) / 2 - alone) / (even.trial_squares.sum(-1) / 2)
    of_people, of_pairs = (np.maximum(np.nan_to_num(part, posinf=0.0), 0.0) for part in (of_people, of_pairs))
    return of_people * shared_trials(sums), of_pairs * sums.trial_squares.sum(-1) / 2


def shared_trials(sums: PairSums) -> FloatArray:
    """Sum over ordered pairs of pairs that share a unit of the product of their trials."""
    return np.asarray(np.maximum((sums.own_trials**2 - sums.trial_squares).sum(-1), 0.0), dtype=np.float64)


def disjoint_pairs(trials: FloatArray, sums: PairSums) -> FloatArray:
    """Lower bound of the effective trials of a pair rate, however strong the effects of people.

    In the worst case, a score that is a sum of one effect per person, the variance of the rate is the largest
    eigenvalue of a 2 x 2 matrix of trial sums, times the variance of one trial, over M^2. For S people with equal
    images that is S / 2 within a group and min(S1, S2) between two: the number of disjoint pairs of people.
    """
    left, right = (sums.trials_left**2).sum(-1), (sums.trials_right**2).sum(-1)
    both = (sums.trials_left * sums.trials_right).sum(-1)
    largest = (left + right) / 2 + np.sqrt(((left - right) / 2) ** 2 + both**2)
    return np.asarray(np.divide(trials**2, largest, out=np.zeros_like(trials), where=largest > 0), dtype=np.float64)
