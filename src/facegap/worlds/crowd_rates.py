"""Rates of simulated crowds: coverage, width relative to an oracle, dominated rates, and false alarms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facegap.statistics.clusters import rates_of_clusters
from facegap.statistics.dominated import FEWEST_ERRORS, dominating_units_of_pairs
from facegap.statistics.effective import EXACT_PAIRS, RateColumns, people_rates, rate_columns, weights_of
from facegap.statistics.family_tests import gap_tests
from facegap.statistics.gaps import ALPHA, MINIMUM_SUBJECTS
from facegap.statistics.intervals import difference_at, two_sided_z
from facegap.statistics.jackknife import PairSums, disjoint_pairs, pair_effective_trials
from facegap.statistics.lending import lent_trials
from facegap.statistics.ratios import ratio_at
from facegap.statistics.verdicts import GAPS_FOUND, verdicts, withheld
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray
from facegap.worlds.crowds import OF_A_SESSION, Crowd, PairWorlds, crowd_worlds, pair_worlds, truth_of
from facegap.worlds.people import METRICS

LEVEL = 0.95
CELLS_AT_ONCE = 2_000_000
ENOUGH_PEOPLE, ENOUGH_ERRORS = 40, 10  # above these, stricter criteria apply
FLOOR_OF_FEW, FLOOR, WIDEST = 0.90, 0.93, 2.0


@dataclass(frozen=True)
class CrowdOutcome:
    """Results of 95% intervals for one crowd over many simulations.

    coverage, per_person : of the rate per image, and of the rate with equal weight per person
    width, person_width  : median width relative to the central 95% range of the estimate over simulations
    dominated            : proportion of simulations in which the rate is marked as dominated by a few people
    missed               : proportion of simulations in which the interval misses the truth without any warning
    """

    crowd: Crowd
    worlds: int
    errors: float
    coverage: float
    width: float
    per_person: float
    person_width: float
    dominated: float
    missed: float


@dataclass(frozen=True)
class CrowdGaps:
    """Verdicts on gaps among groups of one crowd, with no true gap, over many simulations.

    coverage    : of the gap of the first two groups, on the scale of its margin, by its own interval
    false_alarm : proportion of simulations with a gap found anywhere in the family, without groups below the minimum
    differs     : proportion of simulations with a Holm p of at most 0.05, with or without a verdict
    withheld    : proportion of simulations in which a verdict is withheld because a group is dominated
    """

    crowds: tuple[Crowd, ...]
    worlds: int
    coverage: float
    false_alarm: float
    differs: float
    withheld: float


def crowd_rates(crowd: Crowd, worlds: int, rng: np.random.Generator) -> Iterator[RateColumns]:
    """Rates of new simulations, one row each, computed in parts to bound the memory."""
    at_once = max(1, CELLS_AT_ONCE // (crowd.people**2 if crowd.kind == "impostor" else crowd.people))
    for start in range(0, worlds, at_once):
        size = min(at_once, worlds - start)
        if crowd.kind == "impostor":
            yield pair_columns(pair_worlds(crowd, size, rng))
        else:
            simulated = crowd_worlds(crowd, size, rng)
            tried = simulated.trials.ravel() > 0
            cells = np.repeat(np.arange(size), crowd.people)[tried]
            session = np.tile(np.arange(crowd.people) // OF_A_SESSION, size)[tried]
            yield rates_of_clusters(
                simulated.errors.ravel()[tried],
                simulated.trials.ravel()[tried],
                cells,
                n_cells=size,
                units=session if crowd.errs == "sessions" else None,
            )


def pair_columns(simulated: PairWorlds) -> RateColumns:
    """Rates of all simulations, as `dyadic_fmr` computes them for one."""
    errors, images = simulated.errors.astype(np.float64), simulated.images.astype(np.float64)
    worlds, people = images.shape
    trials = images[:, :, None] * images[:, None, :]
    here = np.arange(people)
    trials[:, here, here] = 0
    shares = np.divide(errors, trials, out=np.zeros_like(errors), where=trials > 0)
    even = pair_sums(shares, (trials > 0).astype(np.float64))
    inverse = np.divide(1.0, trials, out=np.zeros_like(trials), where=trials > 0).sum((1, 2)) / 2
    even = PairSums(
        even.errors,
        even.trials_left,
        even.trials_right,
        even.squares,
        trial_squares=even.trial_squares,
        independent=inverse,
    )
    sums = pair_sums(errors, trials, even)
    total, wrong, pairs = trials.sum((1, 2)) / 2, errors.sum((1, 2)) / 2, even.trials_left.sum(-1)
    least = np.minimum(people // 2, disjoint_pairs(total, sums))
    own = 2 * sums.trials_left
    of_people = shares.sum((1, 2)) / 2 / pairs
    return rate_columns(
        wrong.astype(np.int64),
        total.astype(np.int64),
        np.full(worlds, people),
        effective=pair_effective_trials(wrong / total, total, sums, level=LEVEL),
        independent=np.zeros(worlds, np.bool_),
        exact_trials=least,
        exact_method=EXACT_PAIRS,
        level=LEVEL,
        weights=weights_of(own.ravel(), np.repeat(np.arange(worlds), people), n_cells=worlds),
        per_person=people_rates(
            of_people,
            cap=pairs**2 / inverse,
            effective=pair_effective_trials(of_people, pairs, even, level=LEVEL),
            exact_trials=np.full(worlds, float(people // 2)),
            level=LEVEL,
        ),
        dominated_by=dominating(simulated.errors, own, wrong, total),
    )


def pair_sums(errors: FloatArray, trials: FloatArray, even: PairSums | None = None) -> PairSums:
    """Sums of symmetric matrices of errors and trials, float64 [worlds, people, people]."""
    rate = errors.sum((1, 2)) / trials.sum((1, 2))
    squares = ((errors - rate[:, None, None] * trials) ** 2).sum(-1)
    half = trials.sum(-1) / 2
    return PairSums(errors.sum(-1), half, half, squares, trial_squares=(trials**2).sum(-1), even=even)


def dominating(errors: IntArray, own: FloatArray, wrong: FloatArray, total: FloatArray) -> IntArray:
    """Number of people with most of the false matches of each simulation, if they are few."""
    found = np.zeros(len(errors), np.int64)
    for world in np.flatnonzero(wrong >= FEWEST_ERRORS):
        low, high = np.nonzero(np.triu(errors[world]))
        found[world] = dominating_units_of_pairs(
            low, high, errors[world][low, high].astype(np.float64), own[world], wrong[world], total[world]
        )
    return found


def crowd_coverage(crowd: Crowd, worlds: int, seed: int) -> CrowdOutcome:
    """Coverage and width over `worlds` simulations."""
    parts = list(crowd_rates(crowd, worlds, np.random.default_rng([seed, 31, *crowd_key(crowd)])))
    truth = truth_of(crowd)
    names = ("value", "low", "high", "per_person", "per_person_low", "per_person_high", "dominated_by")
    value, low, high, person, person_low, person_high, dominated = (
        np.concatenate([getattr(part, name) for part in parts]) for name in names
    )
    hits = (low <= truth.per_image) & (truth.per_image <= high)
    of_people = (person_low <= truth.per_person) & (truth.per_person <= person_high)
    return CrowdOutcome(
        crowd,
        worlds,
        float(np.mean([part.errors.mean() for part in parts])),
        float(hits.mean()),
        relative_width(value, low, high),
        float(of_people.mean()),
        relative_width(person, person_low, person_high),
        float((dominated > 0).mean()),
        float((~hits & (dominated == 0)).mean()),
    )


def relative_width(value: FloatArray, low: FloatArray, high: FloatArray) -> float:
    """Median width of the intervals relative to the central 95% range of the estimate; NaN if that range is empty."""
    least, most = np.quantile(value, [0.025, 0.975])
    return float(np.median(high - low) / (most - least)) if most > least else float("nan")


def floor_of(crowd: Crowd) -> float:
    """The required coverage."""
    return FLOOR if crowd.units >= ENOUGH_PEOPLE else FLOOR_OF_FEW


def faults_of(found: CrowdOutcome) -> str:
    """Violated criteria: coverage, and width if there are enough errors."""
    faults = ["low"] if found.coverage < floor_of(found.crowd) else []
    faults += ["wide"] if found.errors >= ENOUGH_ERRORS and found.width > WIDEST else []
    return " ".join(faults)


def crowd_gaps(crowds: Sequence[Crowd], worlds: int, seed: int) -> CrowdGaps:
    """Verdicts for groups with equal rates."""
    rng = np.random.default_rng([seed, 32, len(crowds), *crowd_key(crowds[0])])
    groups = [list(crowd_rates(crowd, worlds, rng)) for crowd in crowds]

    def stacked(name: str) -> AnyArray:
        return np.stack([np.concatenate([getattr(part, name) for part in parts]) for parts in groups], axis=1)

    metric = METRICS[crowds[0].kind]
    errors, trials, rate = stacked("errors"), stacked("trials"), stacked("value")
    people = stacked("effective_subjects")
    effective = np.nan_to_num(lent_trials(errors, trials, people, stacked("effective_trials")))
    first, second = np.triu_indices(len(crowds), 1)
    sides = (rate[:, first], effective[:, first], rate[:, second], effective[:, second])
    found = gap_tests(sides, is_ratio=metric.is_ratio, margin=metric.margin, alpha=ALPHA)
    verdict = verdicts(beyond_margin=found.beyond_margin, within_margin=found.within_margin, differs=found.differs)
    front = stacked("dominated_by")
    given = withheld(verdict, (rate[:, first], rate[:, second]), (front[:, first], front[:, second]))
    enough = (people[:, first] >= MINIMUM_SUBJECTS) & (people[:, second] >= MINIMUM_SUBJECTS)
    of_two = (sides[0][:, 0], sides[1][:, 0], sides[2][:, 0], sides[3][:, 0])
    low, high = (ratio_at if metric.is_ratio else difference_at)(*of_two, two_sided_z(LEVEL))
    truths = [truth_of(crowd).per_image for crowd in crowds[:2]]
    gap = truths[0] / truths[1] if metric.is_ratio else truths[0] - truths[1]
    hits = np.isnan(low) | ((low <= gap + 1e-12) & (gap - 1e-12 <= high))
    return CrowdGaps(
        tuple(crowds),
        worlds,
        float(hits.mean()),
        any_of(np.isin(given, GAPS_FOUND) & enough),
        any_of(found.differs),
        any_of(given != verdict),
    )


def any_of(hits: BoolArray) -> float:
    """Proportion of simulations (the first axis) with any hit."""
    return float(hits.any(axis=1).mean())


def crowd_key(crowd: Crowd) -> list[int]:
    """Integers that identify a crowd, so that every crowd has its own stream of random numbers."""
    text = f"{crowd.kind} {crowd.images} {crowd.errs}"
    return [crowd.people, crowd.most, round(crowd.rate * 1e6), round(1e4 + crowd.strength * 1e3), *text.encode()]
