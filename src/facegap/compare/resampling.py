"""The rates of one group in two runs, as input of a joint bootstrap over people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facegap.derive.comparisons import (
    Comparisons,
    between,
    false_match_rate,
    false_non_match_rate,
    genuine_errors,
    templates_of,
)
from facegap.derive.cuts import Cut
from facegap.derive.metrics import metric_of
from facegap.statistics.clusters import clustered_rates
from facegap.statistics.paired_bootstrap import AnyRate, PairRate, PersonRate
from facegap.types import BoolArray, FloatArray, IntArray, Rate


@dataclass(frozen=True, eq=False)
class Measured:
    """One rate of one group in one run.

    rate     : with its own interval, as in rates.csv
    joint    : the same counts by sampling unit (person or cluster), or by pair of units
    disjoint : number of disjoint pairs of its units
    """

    rate: Rate
    joint: AnyRate
    disjoint: int


def of_images(
    trials: BoolArray, errors: BoolArray, subjects: IntArray, units: IntArray | None, inside: BoolArray, level: float
) -> Measured:
    """A rate of single images within a group; all arrays are over the common images. units : None: the subject is the unit"""
    chosen = trials & inside
    wrong = chosen & errors
    varying = subjects if units is None else units
    size = int(varying.max(initial=-1)) + 1
    codes = np.where(chosen, 0, -1)
    rate = clustered_rates(wrong, None, subjects, codes, n_cells=1, level=level, units=units).rate(0)
    joint = PersonRate(counts(varying[wrong], size), counts(varying[chosen], size))
    return Measured(rate, joint, rate.units // 2)


def of_comparisons(pairs: Comparisons, metric: str, cut: Cut, inside: BoolArray, level: float) -> Measured:
    """FMR, FNMR, GFAR or GFRR of a group, at one threshold or at those of folds."""
    of, generalised = metric_of(metric), metric_of(metric).counts_lost
    varying = pairs.varying
    people = int(varying.max(initial=-1)) + 1
    if of.is_impostor:
        rate = false_match_rate(pairs, cut, inside, None, generalised=generalised, level=level)
        joint: AnyRate = pair_rate(pairs, cut, inside, people, generalised=generalised)
    else:
        rate = false_non_match_rate(pairs, cut, inside, generalised=generalised, level=level)
        chosen, wrong = genuine_errors(pairs, cut, inside, generalised=generalised)
        mates = varying[pairs.genuine[chosen, 0]]
        joint = PersonRate(counts(mates[wrong], people), counts(mates, people))
    return Measured(rate, joint, rate.units // 2)


def pair_rate(pairs: Comparisons, cut: Cut, inside: BoolArray, people: int, *, generalised: bool) -> PairRate:
    """False matches and comparisons by pair of people."""
    taking_part = inside & pairs.counted if generalised else inside & pairs.counted & pairs.enrolled
    wrong, errors = by_people(pairs, between(pairs.false_matches(cut), taking_part, None))
    if pairs.listed_only:
        made = slice(None) if generalised else np.isfinite(pairs.impostor_scores)
        tried, trials = by_people(pairs, between(pairs.impostor[made], inside & pairs.counted, None))
        return PairRate(people, wrong, errors, None, tried, trials)
    left_out = between(pairs.excluded, taking_part, None)
    strangers = left_out[pairs.subjects[left_out[:, 0]] != pairs.subjects[left_out[:, 1]]]
    images = templates_of(pairs.varying, taking_part).astype(np.float64)
    left, trials = by_people(pairs, strangers)
    within, alike = within_units(pairs, taking_part, people)
    return PairRate(people, wrong, errors, images, np.concatenate([left, within]), np.concatenate([trials, -alike]))


def within_units(pairs: Comparisons, taking_part: BoolArray, people: int) -> tuple[IntArray, FloatArray]:
    """Units with several people, and the number of image pairs of different people within each: int64 (k, 2), float64 (k,)."""
    if pairs.units is None:
        return np.empty((0, 2), np.int64), np.empty(0)
    by_person = templates_of(pairs.subjects, taking_part).astype(np.float64)
    whole, own = (np.bincount(pairs.units, weights=values, minlength=people) for values in (by_person, by_person**2))
    found = (whole**2 - own) / 2
    kept = np.flatnonzero(found > 0)
    return np.stack([kept, kept], axis=1), found[kept]


def by_people(pairs: Comparisons, rows: IntArray) -> tuple[IntArray, FloatArray]:
    """Image pairs summed by unordered pair of people (or units): people int64 (k, 2), image pairs float64 (k,)."""
    people = np.sort(pairs.varying[rows], axis=1).reshape(-1, 2)
    distinct, times = np.unique(people, axis=0, return_counts=True)
    return distinct, times.astype(np.float64)


def counts(codes: IntArray, people: int) -> FloatArray:
    """Number of occurrences of each person, float64 (people,)."""
    return np.bincount(codes, minlength=people).astype(np.float64)
