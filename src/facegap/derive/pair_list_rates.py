"""Rates of impostor pairs that a list named, millions of them: summed by people once, so that a threshold costs its errors."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from facegap.statistics.trial_sums import TrialSums, fmr_of_sums
from facegap.types import BoolArray, FloatArray, IntArray, Rate


@dataclass(frozen=True, eq=False)
class ListedPeople:
    """Impostor pairs summed by pair of units; a unit is one person's templates in one cell of all attributes.

    unit_of   : int64 (n,), unit of each template; every group is made of whole units
    subjects  : int64 (U,), person of each unit, rising; where people are not what varies independently, their cluster
    people    : int64 (U,), person of each unit then; None: `subjects` are people
    templates : int64 (U,), one template of each unit
    low, high : int64 (R,), units of each row, ordered by the pair of people
    pair      : int64 (R,), number of the pair of people of each row, rising
    starts    : int64 (P + 1,), where the rows of each pair of people begin
    tried     : int64 (2, R), pairs of templates of each row: with a score, and all
    squared   : int64 (2, R), sum over the comparisons of each row of their trials squared, 4 where in both orders
    row_of    : int64 (m,), row of each impostor pair, by falling score
    sums      : what is known already, by group and by whether lost templates count
    of_people : int64 (R,), number of the pair of people of each row where `pair` is one of clusters; None: `pair` is it
    """

    unit_of: IntArray
    subjects: IntArray
    templates: IntArray
    low: IntArray
    high: IntArray
    pair: IntArray
    starts: IntArray
    tried: IntArray
    squared: IntArray
    row_of: IntArray
    sums: dict[tuple[bytes, bytes, bool], TrialSums] = field(default_factory=dict)
    people: IntArray | None = None
    of_people: IntArray | None = None

    def rate(
        self, errors: IntArray | slice, first: BoolArray, second: BoolArray | None, *, generalised: bool, level: float
    ) -> Rate:
        """FMR (or GFAR) within a group or between two.

        errors        : places of the impostor pairs that are false matches
        first, second : bool (n,), templates of each group
        """
        one, other = self.units_in(first), None if second is None else self.units_in(second)
        key = (one.tobytes(), b"" if other is None else other.tobytes(), generalised)
        if key not in self.sums:
            self.sums[key] = self.trial_sums(one, other, self.tried[int(generalised)], self.squared[int(generalised)])
        rows, wrong = np.unique(self.row_of[errors], return_counts=True)
        inside, _ = placed(self.low[rows], self.high[rows], one, other)
        pairs, of = np.unique(self.pair[rows[inside]], return_inverse=True)
        errors_of_pair = np.bincount(of.reshape(-1), weights=wrong[inside], minlength=len(pairs))
        trials = self.trials_of(pairs, one, other, self.tried[int(generalised)])
        at = self.starts[pairs]
        left, right = self.subjects[self.low[at]], self.subjects[self.high[at]]
        even = self.error_rates(rows[inside], wrong[inside], of.reshape(-1), len(pairs), one, other, generalised)
        return fmr_of_sums(
            left, right, errors_of_pair, trials, self.sums[key], across=other is not None, level=level, even=even
        )

    def error_rates(
        self,
        rows: IntArray,
        wrong: IntArray,
        of: IntArray,
        size: int,
        one: BoolArray,
        other: BoolArray | None,
        generalised: bool,
    ) -> tuple[FloatArray, IntArray]:
        """Per pair in error the error rates of its pairs of people, summed, and how many of these were tried.

        rows, wrong : rows in error and their errors; of : the pair of each, 0 to `size` - 1
        """
        tried = self.tried_of_people(one, other, self.tried[int(generalised)])
        people = self.pair if self.of_people is None else self.of_people
        shares = np.bincount(of, weights=wrong / tried[people[rows]], minlength=size)
        # Several pairs of people are in one pair of clusters, those without an error among them.
        owner = np.zeros(len(tried), np.int64)
        owner[people] = self.pair
        counts = np.bincount(owner[tried > 0], minlength=len(self.starts))
        found = np.zeros(size, np.int64)
        found[of] = counts[self.pair[rows]]
        return shares.astype(np.float64), found

    def tried_of_people(self, one: BoolArray, other: BoolArray | None, tried: IntArray) -> IntArray:
        """Trials of each pair of people within a group, or between two."""
        inside, _ = placed(self.low, self.high, one, other)
        people = self.pair if self.of_people is None else self.of_people
        size = int(people.max(initial=-1)) + 1
        return np.bincount(people, weights=tried * inside, minlength=size).astype(np.int64)

    def units_in(self, templates: BoolArray) -> BoolArray:
        """The units of a group of templates."""
        units = templates[self.templates]
        assert np.array_equal(units[self.unit_of], templates), "a group takes a unit apart"
        return units

    def trial_sums(self, one: BoolArray, other: BoolArray | None, tried: IntArray, squared: IntArray) -> TrialSums:
        """Per person the trials of a group, or of two, over all rows.

        A comparison that is listed in both orders is one comparison with two trials: its noise counts squared.
        """
        inside, swapped = placed(self.low, self.high, one, other)
        rows = np.flatnonzero(inside & (tried > 0))
        tried_of_people = self.tried_of_people(one, other, tried)
        of_people = self.pair if self.of_people is None else self.of_people
        _, first = np.unique(of_people[rows], return_index=True)
        even = self.sums_of(rows[first], swapped, np.ones(len(first)))
        tested = tried_of_people > 0
        of_people_tried = tried_of_people[tested]
        of_people_squared = self.tried_of_people(one, other, squared)[tested]
        independent = float((of_people_squared / of_people_tried / of_people_tried).sum())
        found = self.sums_of(rows, swapped, tried[rows].astype(np.float64))
        alone = float(squared[rows].sum())
        return replace(found, even=replace(even, independent=independent), independent=alone)

    def sums_of(self, rows: IntArray, swapped: BoolArray, trials: FloatArray) -> TrialSums:
        """Sums of some rows, ordered as all rows are, with trials of their own."""
        people = int(self.subjects.max(initial=-1)) + 1
        order = np.argsort(rows, kind="stable")
        rows, trials = rows[order], trials[order]
        low, high = self.subjects[self.low[rows]], self.subjects[self.high[rows]]
        left, right = np.where(swapped[rows], high, low), np.where(swapped[rows], low, high)
        first = np.flatnonzero(np.diff(self.pair[rows], prepend=-1))
        squared = np.add.reduceat(trials, first) ** 2 if len(first) else trials
        squared = np.where(low[first] != high[first], squared, 0.0)  # pairs within a cluster are in no square
        squares = sums_by(low[first], squared, people) + sums_by(high[first], squared, people)
        sides = sums_by(left, trials, people), sums_by(right, trials, people)
        if self.people is None:
            return TrialSums(*sides, squares)
        tested = np.unique(self.people[np.concatenate([self.low[rows], self.high[rows]])])
        within = sums_by(low, np.where(low == high, trials, 0.0), people)
        return TrialSums(*sides, squares, within, len(tested))

    def trials_of(self, pairs: IntArray, one: BoolArray, other: BoolArray | None, tried: IntArray) -> IntArray:
        """Trials of some pairs of people within a group, or between two."""
        counts = self.starts[pairs + 1] - self.starts[pairs]
        first = np.cumsum(counts) - counts
        rows = np.arange(counts.sum()) - np.repeat(first - self.starts[pairs], counts)
        inside, _ = placed(self.low[rows], self.high[rows], one, other)
        of = np.repeat(np.arange(len(pairs)), counts)
        return np.bincount(of, weights=tried[rows] * inside, minlength=len(pairs)).astype(np.int64)


def listed_people(
    subjects: IntArray, cells: IntArray, impostor: IntArray, made: int, clusters: IntArray | None = None
) -> ListedPeople:
    """Sum impostor pairs by people, or by clusters of people.

    subjects, cells : int64 (n,), person of each template, and cell of all attributes that any group is made of
    impostor        : int64 (m, 2), templates of each pair, the `made` pairs with a score in front
    clusters        : int64 (n,), cluster of each template, the same for all of a person; None: people vary independently
    """
    above = subjects if clusters is None else clusters * (int(subjects.max(initial=0)) + 1) + subjects
    keys = above * (int(cells.max(initial=0)) + 1) + cells
    _, templates, inverse = np.unique(keys, return_index=True, return_inverse=True)
    unit_of = inverse.reshape(-1).astype(np.int64)
    varying = subjects if clusters is None else clusters
    of_unit = varying[templates]  # rising, so that the lower unit is the lower person's
    sides = unit_of[impostor[:, 0]], unit_of[impostor[:, 1]]
    low, high = np.minimum(*sides), np.maximum(*sides)
    # Rows of one pair of people must be neighbours: the pair first, then which of their units.
    people = int(of_unit.max(initial=-1)) + 1
    nth = np.arange(len(of_unit)) - np.searchsorted(of_unit, of_unit)
    most = int(nth.max(initial=0)) + 1
    row_keys = ((of_unit[low] * people + of_unit[high]) * most + nth[low]) * most + nth[high]
    _, first, inverse = np.unique(row_keys, return_index=True, return_inverse=True)
    row_of = inverse.reshape(-1).astype(np.int64)
    low, high = low[first], high[first]
    fresh = np.diff(of_unit[low] * people + of_unit[high], prepend=-1) != 0
    of_people = None
    if clusters is not None:
        person = subjects[templates]
        ends = np.minimum(person[low], person[high]), np.maximum(person[low], person[high])
        _, of_people = np.unique(ends[0] * (int(person.max(initial=0)) + 1) + ends[1], return_inverse=True)
        of_people = of_people.reshape(-1).astype(np.int64)
    stops = (made, len(row_of))
    tried = np.stack([np.bincount(row_of[:stop], minlength=len(first)) for stop in stops])
    squares = [np.bincount(row_of, weights=times_listed(impostor), minlength=len(first))]
    if made < len(row_of):
        squares.insert(0, np.bincount(row_of[:made], weights=times_listed(impostor[:made]), minlength=len(first)))
    squared = np.stack([squares[0], squares[-1]])
    return ListedPeople(
        unit_of,
        of_unit,
        templates,
        low,
        high,
        np.cumsum(fresh) - 1,
        np.append(np.flatnonzero(fresh), len(first)),
        tried.astype(np.int64),
        squared.astype(np.int64),
        row_of,
        people=None if clusters is None else subjects[templates],
        of_people=of_people,
    )


def times_listed(pairs: IntArray) -> IntArray:
    """How many trials the comparison of each row has, int64 (m,): 2 where the list has it in the other order too, else 1.

    Rows of the same two templates in the same order are attempts, each a comparison of its own; each has one row of the
    other order as its twin, as long as there are any.

    Examples
    --------
    >>> import numpy as np
    >>> times_listed(np.array([[0, 1], [2, 1], [1, 0], [0, 1]]))
    array([2, 1, 2, 1])
    """
    size = int(pairs.max(initial=0)) + 1
    keys = pairs[:, 0] * size + pairs[:, 1]
    distinct, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    turned = distinct % size * size + distinct // size
    place = np.minimum(np.searchsorted(distinct, turned), max(len(distinct) - 1, 0))
    twins = np.where((distinct[place] == turned) & (turned != distinct), counts[place], 0)
    if not twins.any():
        return np.ones(len(keys), np.int64)
    inverse = inverse.reshape(-1)
    order = np.argsort(inverse, kind="stable")
    attempt = np.empty(len(keys), np.int64)
    attempt[order] = np.arange(len(keys)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.where(attempt < twins[inverse], 2, 1).astype(np.int64)


def placed(left: IntArray, right: IntArray, first: BoolArray, second: BoolArray | None) -> tuple[BoolArray, BoolArray]:
    """Per pair: whether it lies within a group, or between two, and whether its right side is of the first group then.

    left, right : int64 (m,), templates or units; first, second : bool, of each of those whether it is in the group
    """
    if second is None:
        return first[left] & first[right], np.zeros(len(left), np.bool_)
    swapped = second[left] & first[right]
    return (first[left] & second[right]) | swapped, swapped


def sums_by(codes: IntArray, values: FloatArray, size: int) -> FloatArray:
    """Sum of the values of each code, float64 (size,)."""
    return np.bincount(codes, weights=values, minlength=size).astype(np.float64)
