"""Errors and trials of a rate of comparisons that involve each person, or sampling unit."""

from __future__ import annotations

import numpy as np

from facegap.derive.comparisons import Comparisons, between, genuine_errors, templates_of
from facegap.derive.cuts import Cut
from facegap.derive.metrics import Metric
from facegap.store.scratch import chunks
from facegap.types import BoolArray, IntArray


def people_sums(
    pairs: Comparisons, cut: Cut, metric: Metric, group: BoolArray, people: int
) -> tuple[IntArray, IntArray]:
    """Errors and trials of one group that involve each person (or unit), int64 (people,) each."""
    generalised = metric.counts_lost
    of = pairs.varying
    if not metric.is_impostor:
        chosen, wrong = genuine_errors(pairs, cut, group, generalised=generalised)
        mates = of[pairs.genuine[chosen, 0]]
        return np.bincount(mates[wrong], minlength=people), np.bincount(mates, minlength=people)
    taking_part = group if generalised else group & pairs.enrolled
    errors = sides_of(of[between(pairs.false_matches(cut), taking_part, None)], people)
    if pairs.listed_only:
        return errors, listed_trials(pairs, group, None, people, generalised=generalised)
    templates = templates_of(pairs.subjects, taking_part)
    if pairs.units is None:
        return errors, templates * (templates.sum() - templates)
    own, same = (np.bincount(pairs.units, weights=values, minlength=people) for values in (templates, templates**2))
    return errors, (own * (templates.sum() - own) + (own**2 - same) / 2).astype(np.int64)


def people_sums_between(
    pairs: Comparisons, cut: Cut, first: BoolArray, second: BoolArray, people: int
) -> tuple[IntArray, IntArray]:
    """Errors and trials of FMR between two groups that involve each person (or unit), int64 (people,) each."""
    of = pairs.varying
    one, other = (group & pairs.counted & pairs.enrolled for group in (first, second))
    errors = sides_of(of[between(pairs.false_matches(cut), one, other)], people)
    if pairs.listed_only:
        return errors, listed_trials(pairs, one, other, people, generalised=False)
    here, there = (np.bincount(of[group], minlength=people) for group in (one, other))
    return errors, here * (there.sum() - there) + there * (here.sum() - here)


def listed_trials(
    pairs: Comparisons, first: BoolArray, second: BoolArray | None, people: int, *, generalised: bool
) -> IntArray:
    """Listed impostor pairs within a group, or between two, that hold each person (or unit), int64 (people,)."""
    if pairs.people is not None:
        known = pairs.people.tried_by_each(first, second, pairs.counted, generalised=generalised)
        if known is not None:
            return known
    found = np.zeros(people, np.int64)
    for part in chunks(len(pairs.impostor) if generalised else pairs.made):
        found += sides_of(pairs.varying[between(pairs.impostor[part], first, second)], people)
    return found


def sides_of(pairs: IntArray, people: int) -> IntArray:
    """Number of pairs that involve each person (or unit), int64 (people,); pairs with it on both sides count once."""
    left, right = pairs[:, 0], pairs[:, 1]
    both_sides = np.bincount(left[left == right], minlength=people)
    return np.asarray(np.bincount(pairs.ravel(), minlength=people) - both_sides, np.int64)
