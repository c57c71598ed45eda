"""Rates of two models under one resampling of the people they share: differences, and how gaps between groups change.

Each replicate draws people with replacement, within the groups they belong to, once for both models: person i has weight
W_i in the rates of both, so what makes a person hard for both cancels in the difference. A trial of one person weighs
W_i, a pair of two people W_i W_j, as in statistics/bootstrap.py. Thresholds are taken as they are. In place of people there
may be units of several (clusters): a pair within a unit goes with it and weighs W_i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from facegap.statistics.bootstrap import pair_variance, subject_weights
from facegap.statistics.paired_errors import carriers_of, t_interval
from facegap.types import BoolArray, FloatArray, IntArray

REPLICATES = 2000
CHUNK_NUMBERS = 2_000_000  # weights held at once


def no_pairs() -> IntArray:
    """An empty list of pairs."""
    return np.empty((0, 2), np.int64)


@dataclass(frozen=True, eq=False)
class PersonRate:
    """A rate whose trials belong to one person each; errors, trials : float64 [S], sums per person."""

    errors: FloatArray
    trials: FloatArray

    @property
    def total(self) -> float:
        """Trials in all."""
        return float(self.trials.sum())

    @property
    def value(self) -> float:
        """Errors per trial; NaN without trials."""
        return float(self.errors.sum()) / self.total if self.total else np.nan

    def influence(self) -> FloatArray:
        """What each person adds to the rate, float64 [S]: (errors - rate * trials) / all trials."""
        return (self.errors - self.value * self.trials) / self.total

    def replicates(self, weights: FloatArray) -> FloatArray:
        """The rate under each row of weights [B, S]; NaN where no trial was drawn."""
        return ratio(weights @ self.errors, weights @ self.trials)


@dataclass(frozen=True, eq=False)
class PairRate:
    """A rate over pairs of two different people, or units of people.

    pairs   : int64 [k, 2], people of the pairs in error, each unordered pair once; errors : float64 [k], image pairs
    images  : float64 [S], images per person, all of which were compared with those of all others; or None, and
    tried   : int64 [m, 2], all pairs of people that were compared; trials : float64 [m], image pairs of each. With
              `images` these are pairs that were left out, to be subtracted, and pairs within a unit that were not, which
              are less than 0
    """

    people: int
    pairs: IntArray
    errors: FloatArray
    images: FloatArray | None
    tried: IntArray = field(default_factory=no_pairs)
    trials: FloatArray = field(default_factory=lambda: np.empty(0))

    @property
    def total(self) -> float:
        """Image pairs in all."""
        return float(self.trials_under(np.ones((1, self.people)))[0])

    @property
    def value(self) -> float:
        """Errors per image pair; NaN without any."""
        return float(self.errors.sum()) / self.total if self.total else np.nan

    def influence(self) -> FloatArray:
        """What each person adds to the rate, float64 [S]; a pair counts for both of its people."""
        errors, listed = (
            per_person(*entry, self.people) for entry in ((self.pairs, self.errors), (self.tried, self.trials))
        )
        trials = listed if self.images is None else self.images * (self.images.sum() - self.images) - listed
        return (errors - self.value * trials) / self.total

    def replicates(self, weights: FloatArray) -> FloatArray:
        """The rate under each row of weights [B, S]; NaN where no pair was drawn."""
        return ratio(weighed(weights, self.pairs, self.errors), self.trials_under(weights))

    def trials_under(self, weights: FloatArray) -> FloatArray:
        """Trials under each row of weights, float64 [B]."""
        listed = weighed(weights, self.tried, self.trials)
        if self.images is None:
            return listed
        carried = weights * self.images
        return np.asarray((carried.sum(axis=1) ** 2 - (carried**2).sum(axis=1)) / 2 - listed)


AnyRate = PersonRate | PairRate


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of rates that share people, on the scale of a difference or of the logarithm of a ratio.

    value is NaN where a rate is, and the interval where it cannot be known.
    """

    value: float
    low: float
    high: float
    p: float
    carriers: float


def with_two_more(a: PersonRate, b: PersonRate, *, group: int = 0, groups: int = 1) -> tuple[PersonRate, PersonRate]:
    """Both with two more people of one trial: one on whom a alone errs, one on whom b alone does.

    So that where nobody tells the models apart the interval still has a width, as Bonett and Price (2012) do it.
    group  : of `groups`; the people of each group get places of their own behind the S real ones, so that the rates of
             all groups are over the same S + 2 * groups people
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
    """Who is drawn among whom: people of the same groups; int64 [S], or [S + 2 * G] with the people of with_two_more.

    member : bool [S, G], whether a person has a trial in a group
    """
    groups = member.shape[1]
    more = np.repeat(np.eye(groups, dtype=np.bool_), 2, axis=0)[: 2 * groups if extended else 0]
    _, codes = np.unique(np.concatenate([member, more]), axis=0, return_inverse=True)
    return codes.reshape(-1).astype(np.int64)


def joint_replicates(
    rates: Sequence[AnyRate], strata: IntArray, *, rng: np.random.Generator, replicates: int = REPLICATES
) -> FloatArray:
    """Every rate in every replicate, float64 [B, R]; all rates of one replicate see the same draw of people.

    strata : int64 [S], people are drawn within each
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
    """The replicates of rates of single people. Most people are alike in all of them: how many of each kind are drawn from
    a stratum is multinomial, which is the same draw at a fraction of its cost.
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
    """The sum of signs * rates (or of their logarithms) with the interval that a joint draw of people gives.

    replicates : float64 [B, R] of the same rates
    disjoint   : per rate its disjoint pairs of people, for rates over pairs. One without any error is worth no more
                 trials than these, so it brings the variance of one error among them and two more
    returns    : value from the rates themselves; Student's t interval around their value in the middle of the added
                 people. Undefined on the log scale where a rate is 0

    The variance is that of the replicates; nobody with a second trial, or none beyond the noise of the pairs themselves:
    it is known from the rates and needs no t. W_i W_j overstates the noise that pairs have by themselves threefold, so
    twice that noise is taken out again (`pair_variance`). Logarithms enter by their tangent, which is defined in
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
    """The variance that the pairs of people bring by themselves: sum over pairs of their squared share in the sum.

    Rates over one person's trials bring none. Of two models that err on one pair the shares are subtracted first.
    The centring enters by the factor 1 - rate, the highest of the rates.
    """
    listed = [(rate, weight) for rate, weight in zip(rates, weights, strict=True) if isinstance(rate, PairRate)]
    if not listed:
        return 0.0
    size = listed[0][0].people
    keys = np.concatenate([np.sort(rate.pairs, axis=1) @ np.array([size, 1]) for rate, _ in listed])
    shares = np.concatenate([weight * rate.errors / rate.total for rate, weight in listed])
    across = np.concatenate([rate.pairs[:, 0] != rate.pairs[:, 1] for rate, _ in listed])
    keys, shares = keys[across], shares[across]  # a pair within a unit weighs W_i, whose variance is not overstated
    _, inverse = np.unique(keys, return_inverse=True)
    summed = np.bincount(inverse.reshape(-1), weights=shares)
    return float((summed**2).sum()) * (1 - max(rate.value for rate, _ in listed))


def per_person(pairs: IntArray, values: FloatArray, people: int) -> FloatArray:
    """Sum of the values of the pairs that hold each person, float64 [S]; a pair within a unit counts once."""
    sides = [np.bincount(pairs[:, 0], weights=values, minlength=people)]
    sides.append(np.bincount(pairs[:, 1], weights=values * (pairs[:, 0] != pairs[:, 1]), minlength=people))
    return np.asarray(np.sum(sides, axis=0), np.float64)


def weighed(weights: FloatArray, pairs: IntArray, values: FloatArray) -> FloatArray:
    """Sum of W_i W_j * value over pairs, and of W_i * value over those within a unit, per row of weights: float64 [B]."""
    first, second = weights[:, pairs[:, 0]], weights[:, pairs[:, 1]]
    within = pairs[:, 0] == pairs[:, 1]
    if within.any():
        second[:, within] = 1.0
    return np.asarray((first * second) @ values, dtype=np.float64)


def ratio(errors: FloatArray, trials: FloatArray) -> FloatArray:
    """errors / trials, NaN where there are no trials."""
    return np.asarray(np.divide(errors, trials, out=np.full(len(trials), np.nan), where=trials > 0), dtype=np.float64)
