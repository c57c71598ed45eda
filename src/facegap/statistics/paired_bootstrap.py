"""Joint bootstrap of the rates of two models over their common people: differences, and changes of gaps between groups.

Each replicate samples people with replacement within their groups, once for both models: person i has weight W_i in the
rates of both, so effects of the person common to both cancel in the difference. A trial of one person has weight W_i, a
pair of two people W_i W_j, as in statistics/bootstrap.py. Thresholds are fixed. Instead of people there may be units of
several people (clusters): a pair within a unit has weight W_i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from facegap.statistics.bootstrap import pair_variance, subject_weights
from facegap.statistics.paired_errors import carriers_of, t_interval
from facegap.types import BoolArray, FloatArray, IntArray

REPLICATES = 2000
CHUNK_NUMBERS = 2_000_000  # weights in memory at once


def no_pairs() -> IntArray:
    """An empty list of pairs."""
    return np.empty((0, 2), np.int64)


@dataclass(frozen=True, eq=False)
class PersonRate:
    """A rate whose trials belong to one person each. errors, trials : float64 [S], sums per person."""

    errors: FloatArray
    trials: FloatArray

    @property
    def total(self) -> float:
        """Total number of trials."""
        return float(self.trials.sum())

    @property
    def value(self) -> float:
        """Errors per trial; NaN without trials."""
        return float(self.errors.sum()) / self.total if self.total else np.nan

    def influence(self) -> FloatArray:
        """Influence of each person on the rate, float64 [S]: (errors - rate * trials) / all trials."""
        return (self.errors - self.value * self.trials) / self.total

    def replicates(self, weights: FloatArray) -> FloatArray:
        """The rate for each row of weights [B, S]; NaN where no trial was sampled."""
        return ratio(weights @ self.errors, weights @ self.trials)


@dataclass(frozen=True, eq=False)
class PairRate:
    """A rate over pairs of two different people, or units of people.

    pairs   : int64 [k, 2], people of the pairs in error, each unordered pair once; errors : float64 [k], image pairs in error
    images  : float64 [S], images per person, all compared with those of all other people; or None, in which case
    tried   : int64 [m, 2] lists all pairs of people that were compared; trials : float64 [m], image pairs of each. With
              `images` these are corrections to subtract: omitted pairs, and pairs within a unit that were compared, whose
              trials are negative
    """

    people: int
    pairs: IntArray
    errors: FloatArray
    images: FloatArray | None
    tried: IntArray = field(default_factory=no_pairs)
    trials: FloatArray = field(default_factory=lambda: np.empty(0))

    @property
    def total(self) -> float:
        """Total number of image pairs."""
        return float(self.trials_under(np.ones((1, self.people)))[0])

    @property
    def value(self) -> float:
        """Errors per image pair; NaN without pairs."""
        return float(self.errors.sum()) / self.total if self.total else np.nan

    def influence(self) -> FloatArray:
        """Influence of each person on the rate, float64 [S]; a pair counts for both of its people."""
        errors, listed = (
            per_person(*entry, self.people) for entry in ((self.pairs, self.errors), (self.tried, self.trials))
        )
        trials = listed if self.images is None else self.images * (self.images.sum() - self.images) - listed
        return (errors - self.value * trials) / self.total

    def replicates(self, weights: FloatArray) -> FloatArray:
        """The rate for each row of weights [B, S]; NaN where no pair was sampled."""
        return ratio(weighted_sums(weights, self.pairs, self.errors), self.trials_under(weights))

    def trials_under(self, weights: FloatArray) -> FloatArray:
        """Trials for each row of weights, float64 [B]."""
        listed = weighted_sums(weights, self.tried, self.trials)
        if self.images is None:
            return listed
        carried = weights * self.images
        return np.asarray((carried.sum(axis=1) ** 2 - (carried**2).sum(axis=1)) / 2 - listed)


AnyRate = PersonRate | PairRate


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of rates with common people, on the scale of a difference or of the logarithm of a ratio.

    The value is NaN if a rate is; the interval is NaN if it is undefined.
    """

    value: float
    low: float
    high: float
    p: float
    carriers: float


def with_two_more(a: PersonRate, b: PersonRate, *, group: int = 0, groups: int = 1) -> tuple[PersonRate, PersonRate]:
    """Both rates with two more people with one trial each: an error of a only, and an error of b only.

    As in Bonett and Price (2012), so that the interval has positive width even if no person distinguishes the models.
    group  : of `groups`; the added people of each group follow the S real ones, so the rates of all groups are over the
             same S + 2 * groups people
    """
    at = 2 * group + np.arange(2)

    def extended(values: FloatArray, more: tuple[float, float]) -> FloatArray:
        behind = np.zeros(2 * groups)
        behind[at] = more
        return np.append(values, behind)

    return (
        PersonRate(extended(a.errors, (1.0, 0.0)), extended(a.trials, (1.0, 1.0))),
        PersonRate(extended(b.errors, (0.0, 1.0)), extended(b.trials, (1.0, 1.0))),
    )


def strata_of(member: BoolArray, *, extended: bool) -> IntArray:
    """Resampling strata: people of the same groups; int64 [S], or [S + 2 * G] with the people of `with_two_more`.

    member : bool [S, G], whether a person has a trial in a group
    """
    groups = member.shape[1]
    more = np.repeat(np.eye(groups, dtype=np.bool_), 2, axis=0)[: 2 * groups if extended else 0]
    _, codes = np.unique(np.concatenate([member, more]), axis=0, return_inverse=True)
    return codes.reshape(-1).astype(np.int64)


def joint_replicates(
    rates: Sequence[AnyRate], strata: IntArray, *, rng: np.random.Generator, replicates: int = REPLICATES
) -> FloatArray:
    """Every rate in every replicate, float64 [B, R]; all rates of a replicate use the same sample of people.

    strata : int64 [S], people are sampled within each
    """
    found = np.empty((replicates, len(rates)))
    if all(isinstance(rate, PersonRate) for rate in rates):
        return replicates_of_kinds([rate for rate in rates if isinstance(rate, PersonRate)], strata, rng, found)
    widest = max([len(strata), *(max(len(r.pairs), len(r.tried)) for r in rates if isinstance(r, PairRate))])
    step = max(CHUNK_NUMBERS // max(widest, 1), 1)
    for start in range(0, replicates, step):
        drawn = [subject_weights(strata, rng) for _ in range(min(step, replicates - start))]
        weights = np.array(drawn, dtype=np.float64)
        for k, rate in enumerate(rates):
            found[start : start + len(drawn), k] = rate.replicates(weights)
    return found


def replicates_of_kinds(
    rates: Sequence[PersonRate], strata: IntArray, rng: np.random.Generator, found: FloatArray
) -> FloatArray:
    """Replicates of rates over trials of one person.

    Many people have the same counts in all rates, so the number sampled of each kind is drawn from a multinomial: an
    equivalent sample at a fraction of the cost.
    """
    table = np.column_stack([strata, *(column for rate in rates for column in (rate.errors, rate.trials))])
    kinds, people = np.unique(table, axis=0, return_counts=True)
    weights = np.empty((len(found), len(kinds)))
    for stratum in np.unique(kinds[:, 0]):
        inside = np.flatnonzero(kinds[:, 0] == stratum)
        size = int(people[inside].sum())
        weights[:, inside] = rng.multinomial(size, people[inside] / size, size=len(found))
    for k in range(len(rates)):
        found[:, k] = ratio(weights @ kinds[:, 1 + 2 * k], weights @ kinds[:, 2 + 2 * k])
    return found


def contrast(
    rates: Sequence[AnyRate],
    replicates: FloatArray,
    signs: Sequence[float],
    *,
    logarithmic: bool,
    level: float,
    disjoint: Sequence[int] = (),
) -> Contrast:
    """The sum of signs * rates (or of their logarithms) with an interval from joint replicates.

    replicates : float64 [B, R] of the same rates
    disjoint   : number of disjoint pairs of people, for each rate over pairs. A rate without errors has at most so many
                 effective trials, so it contributes the variance of one error among these plus two
    returns    : value from the rates themselves; Student's t interval centred on the value that includes the added
                 people. Undefined on the log scale if a rate is 0

    The variance is that of the replicates. If no person has a second trial, or there is no variance beyond the noise of
    individual pairs, it follows from the rates and needs no t. W_i W_j overstates the noise of individual pairs
    threefold, so twice that noise is subtracted (`pair_variance`). Logarithms are linearised, which is defined also in
    replicates without an error.
    """
    values = np.array([rate.value for rate in rates])
    if np.isnan(values).any() or (logarithmic and (values <= 0).any()):
        return Contrast(np.nan, np.nan, np.nan, np.nan, 0.0)
    weights = np.asarray(signs) / values if logarithmic else np.asarray(signs, np.float64)
    drawn = replicates @ weights
    drawn = drawn[~np.isnan(drawn)]
    if 2 * len(drawn) < len(replicates) or len(drawn) < 2:
        return Contrast(np.nan, np.nan, np.nan, np.nan, 0.0)
    influence = sum((w * rate.influence() for w, rate in zip(weights, rates, strict=True)), np.zeros(1))
    noise = pair_noise(rates, weights)
    variance = pair_variance(drawn, noise)
    shared = 1 - noise / variance if variance > 0 else 0.0
    if all(isinstance(rate, PersonRate) and rate.trials.max(initial=0) <= 1 for rate in rates):
        shared = 0.0
    for rate, trials, weight in zip(rates, disjoint, weights, strict=False):
        if isinstance(rate, PairRate) and rate.value in (0.0, 1.0):
            variance += (weight / (trials + 2)) ** 2
    centre = float((np.asarray(signs) * (np.log(values) if logarithmic else values)).sum())
    bound = np.inf if logarithmic else float(np.abs(signs).sum()) / 2
    carriers = carriers_of(influence)
    low, high, p = t_interval(centre, variance, carriers=carriers, shared=shared, level=level, bound=bound)
    return Contrast(centre, low, high, p, carriers)


def pair_noise(rates: Sequence[AnyRate], weights: FloatArray) -> float:
    """The variance due to individual pairs of people: the sum over pairs of their squared contribution.

    Rates over trials of one person contribute none. If two models have errors on the same pair, their contributions are
    subtracted first. Centring is approximated by the factor 1 - rate, with the highest of the rates.
    """
    listed = [(rate, weight) for rate, weight in zip(rates, weights, strict=True) if isinstance(rate, PairRate)]
    if not listed:
        return 0.0
    size = listed[0][0].people
    keys = np.concatenate([np.sort(rate.pairs, axis=1) @ np.array([size, 1]) for rate, _ in listed])
    shares = np.concatenate([weight * rate.errors / rate.total for rate, weight in listed])
    across = np.concatenate([rate.pairs[:, 0] != rate.pairs[:, 1] for rate, _ in listed])
    keys, shares = keys[across], shares[across]  # a pair within a unit has weight W_i, whose variance is not overstated
    _, inverse = np.unique(keys, return_inverse=True)
    summed = np.bincount(inverse.reshape(-1), weights=shares)
    return float((summed**2).sum()) * (1 - max(rate.value for rate, _ in listed))


def per_person(pairs: IntArray, values: FloatArray, people: int) -> FloatArray:
    """Sum of the values of the pairs that involve each person, float64 [S]; a pair within a unit counts once."""
    sides = [np.bincount(pairs[:, 0], weights=values, minlength=people)]
    sides.append(np.bincount(pairs[:, 1], weights=values * (pairs[:, 0] != pairs[:, 1]), minlength=people))
    return np.asarray(np.sum(sides, axis=0), np.float64)


def weighted_sums(weights: FloatArray, pairs: IntArray, values: FloatArray) -> FloatArray:
    """Sum of W_i W_j * value over pairs, and of W_i * value over those within a unit, per row of weights: float64 [B]."""
    first, second = weights[:, pairs[:, 0]], weights[:, pairs[:, 1]]
    within = pairs[:, 0] == pairs[:, 1]
    if within.any():
        second[:, within] = 1.0
    return np.asarray((first * second) @ values, dtype=np.float64)


def ratio(errors: FloatArray, trials: FloatArray) -> FloatArray:
    """errors / trials, NaN without trials."""
    return np.asarray(np.divide(errors, trials, out=np.full(len(trials), np.nan), where=trials > 0), dtype=np.float64)
