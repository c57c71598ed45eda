"""Rates of simulated people, and how often their intervals contain the true rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facegap.statistics.clusters import rates_of_clusters
from facegap.statistics.effective import EXACT_PAIRS, RateColumns, Weights, rate_columns
from facegap.statistics.intervals import wilson
from facegap.statistics.jackknife import PairSums, pair_effective_trials, plain_variance
from facegap.types import BoolArray, FloatArray
from facegap.worlds.pairs import sparse_false_matches
from facegap.worlds.people import PAIR_KINDS, Setting, impostor_errors, setting_key, subject_errors

BAND_CEILING, WIDTH_CEILING, ENOUGH_ERRORS = 0.985, 2.5, 10
CELLS_AT_ONCE = 2_000_000  # random numbers per part, to bound the memory
MOST_PEOPLE_OF_A_MATRIX = 250  # with more people, only the false matches are simulated


@dataclass(frozen=True)
class Outcome:
    """Coverage of three methods over the simulations of a setting, and facegap's median width relative to the plain method.

    facegap : the interval of an audit
    plain   : Wilson on the effective trials of the published variance (facegap's interval if there are no errors)
    naive   : Wilson with every pair or image as an independent trial
    """

    setting: Setting
    worlds: int
    facegap: float
    plain: float
    naive: float
    width: float

    @property
    def faults(self) -> str:
        """The violated criteria; empty if there are none, or if the setting is only reported."""
        if not self.setting.must_hold:
            return ""
        faults = ["low"] if self.facegap < self.setting.floor else []
        if self.setting.expected_errors >= ENOUGH_ERRORS:
            faults += ["high"] if self.facegap > BAND_CEILING else []
            faults += ["wide"] if self.width > WIDTH_CEILING else []
        return " ".join(faults)


def rates_of(setting: Setting, worlds: int, rng: np.random.Generator) -> tuple[RateColumns, FloatArray]:
    """Rates and plain variances of new simulations, one row each."""
    if setting.kind not in PAIR_KINDS:
        return cluster_rates(*subject_errors(setting, worlds, rng))
    if setting.kind == "impostor" and setting.subjects > MOST_PEOPLE_OF_A_MATRIX:
        return sparse_rates(setting, worlds, rng)
    return impostor_rates(setting, impostor_errors(setting, worlds, rng))


def impostor_rates(setting: Setting, errors: FloatArray) -> tuple[RateColumns, FloatArray]:
    """Rates of all simulations, as `dyadic_fmr` computes them for one, and the variance of the plain formula.

    errors : as returned by `impostor_errors`
    """
    return pair_rates(setting, errors.sum(-1), (errors**2).sum(-1))


def sparse_rates(setting: Setting, worlds: int, rng: np.random.Generator) -> tuple[RateColumns, FloatArray]:
    """`impostor_rates` of simulations in which only the false matches are generated."""
    people, images = setting.subjects, np.full(setting.subjects, setting.images)
    sums, squares = np.zeros((worlds, people)), np.zeros((worlds, people))
    for world in range(worlds):
        left, right = sparse_false_matches(images, setting.rate, setting.strength, rng)
        pairs, count = np.unique(left * people + right, return_counts=True)
        for side in (pairs // people, pairs % people):
            sums[world] += np.bincount(side, weights=count, minlength=people)
            squares[world] += np.bincount(side, weights=count**2, minlength=people)
    return pair_rates(setting, sums, squares)


def pair_rates(setting: Setting, by_person: FloatArray, own_squares: FloatArray) -> tuple[RateColumns, FloatArray]:
    """Rates from each person's false matches and the sum of their squares by pair of people.

    by_person, own_squares : float64 [worlds, people]
    """
    worlds, people = by_person.shape
    across = setting.kind == "across"
    per_pair = float(setting.images**2)
    partners = setting.subjects if across else people - 1
    on_left = np.where(np.arange(people) < setting.subjects, 1.0, 0.0) if across else np.full(people, 0.5)
    own_trials = np.broadcast_to(per_pair * partners * np.ones(people), (worlds, people))
    trials = np.full(worlds, per_pair * partners * people / 2)
    total = by_person.sum(-1) / 2
    rate = total / trials
    square = own_squares - 2 * (rate * per_pair)[:, None] * by_person
    square += ((rate * per_pair) ** 2)[:, None] * partners
    sums = PairSums(by_person, own_trials * on_left, own_trials * (1 - on_left), square)
    columns = rate_columns(
        total.astype(np.int64),
        trials.astype(np.int64),
        np.full(worlds, people),
        effective=pair_effective_trials(rate, trials, sums, level=0.95),
        independent=np.zeros(worlds, dtype=bool),
        exact_trials=np.full(worlds, setting.subjects if across else people // 2),
        exact_method=EXACT_PAIRS,
        level=0.95,
        weights=Weights(np.full(worlds, people), np.full(worlds, float(people)), np.full(worlds, 1 / people)),
    )
    return columns, plain_variance(rate, trials, sums)


def cluster_rates(errors: FloatArray, trials: int) -> tuple[RateColumns, FloatArray]:
    """Rates of all simulations, each as one cell of the audit's own function, and the plain cluster-robust variance."""
    worlds, subjects = errors.shape
    cells = np.repeat(np.arange(worlds), subjects)
    columns = rates_of_clusters(errors.ravel(), np.full(errors.size, trials), cells, n_cells=worlds)
    rate = errors.mean(1) / trials
    return columns, ((errors - rate[:, None] * trials) ** 2).sum(1) / (subjects * trials) ** 2


def covers(low: FloatArray, high: FloatArray, truth: FloatArray | float) -> BoolArray:
    """Whether each interval contains the truth; false for NaN."""
    return np.asarray((low <= truth) & (truth <= high))


def coverage(setting: Setting, worlds: int, seed: int) -> Outcome:
    """Coverage over `worlds` simulations. The plain method uses facegap's interval if there are no errors."""
    rng = np.random.default_rng([seed, *setting_key(setting)])
    hits, widths, left = [], [], worlds
    while left:
        now = min(left, worlds_at_once(setting))
        columns, variance = rates_of(setting, now, rng)
        low, high = plain_interval(columns, variance)
        pair_level = wilson(columns.errors, columns.trials.astype(np.float64))
        intervals = [(columns.low, columns.high), (low, high), pair_level]
        hits.append([covers(a, b, setting.rate) for a, b in intervals])
        widths.append([b - a for a, b in intervals])
        left -= now
    facegap, plain, naive = (float(share) for share in np.concatenate(hits, axis=1).mean(axis=1))
    width = np.median(np.concatenate(widths, axis=1), axis=1)
    return Outcome(setting, worlds, facegap, plain, naive, float(width[0] / width[1]))


def plain_interval(columns: RateColumns, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Wilson on the effective trials of the plain variance; facegap's interval if there are none."""
    value, trials = columns.value, columns.trials.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.minimum(value * (1 - value) / variance, trials)
    fit = np.isfinite(effective) & (effective > 0)
    low, high = wilson(np.where(fit, value * effective, 0), np.where(fit, effective, 1))
    return np.where(fit, low, columns.low), np.where(fit, high, columns.high)


def worlds_at_once(setting: Setting) -> int:
    """The number of simulations within the bound on memory."""
    return max(1, CELLS_AT_ONCE // cells_of_a_world(setting))


def cells_of_a_world(setting: Setting) -> int:
    """Random numbers used by one simulation."""
    if setting.kind == "across":
        return 4 * setting.subjects**2
    matrix = setting.kind == "impostor" and setting.subjects <= MOST_PEOPLE_OF_A_MATRIX
    return setting.subjects**2 if matrix else setting.subjects
