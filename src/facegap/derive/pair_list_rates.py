"""Rates of impostor pairs that a list named, millions of them: summed by people once, so that a threshold costs its errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from facegap.statistics.trial_sums import TrialSums, fmr_of_sums
from facegap.store.scratch import Column, chunks, rows_at_once, scratch
from facegap.types import BoolArray, FloatArray, IntArray, Rate


@dataclass(frozen=True, eq=False)
class ListedPeople:
    """Impostor pairs summed by pair of units; a unit is one person's templates in one cell of all attributes.

    unit_of   : int64 (n,), unit of each template; every group is made of whole units
    subjects  : int64 (U,), person of each unit, rising; where people are not what varies independently, their cluster
    people    : int64 (U,), person of each unit then; None: `subjects` are people
    templates : int64 (U,), one template of each unit
    low, high : int32 (R,), units of each row, ordered by the pair of people
    pair      : int32 (R,), number of the pair of people of each row, rising
    starts    : int64 (P + 1,), where the rows of each pair of people begin
    tried     : int64 (2, R), pairs of templates of each row: with a score, and all
    squared   : int64 (2, R), sum over the comparisons of each row of their trials squared, 4 where in both orders
    row_of    : int32 (m,), row of each impostor pair, by falling score
    sums      : what is known already, by group and by whether lost templates count
    of_people : int32 (R,), number of the pair of people of each row where `pair` is one of clusters; None: `pair` is it
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
        sums = self.sums_within(one, other, generalised=generalised)
        rows, wrong = np.unique(self.row_of[errors], return_counts=True)
        inside, _ = placed(self.low[rows], self.high[rows], one, other)
        pairs, of = np.unique(self.pair[rows[inside]], return_inverse=True)
        errors_of_pair = np.bincount(of.reshape(-1), weights=wrong[inside], minlength=len(pairs))
        trials = self.trials_of(pairs, one, other, self.tried[int(generalised)])
        at = self.starts[pairs]
        left, right = self.subjects[self.low[at]], self.subjects[self.high[at]]
        even = self.error_rates(rows[inside], wrong[inside], of.reshape(-1), trials, one, other, generalised)
        return fmr_of_sums(left, right, errors_of_pair, trials, sums, across=other is not None, level=level, even=even)

    def error_rates(
        self,
        rows: IntArray,
        wrong: IntArray,
        of: IntArray,
        trials: IntArray,
        one: BoolArray,
        other: BoolArray | None,
        generalised: bool,
    ) -> tuple[FloatArray, IntArray]:
        """Per pair in error the error rates of its pairs of people, summed, and how many of these were tried.

        rows, wrong : rows in error and their errors; of : the pair of each; trials : of each pair
        """
        size = len(trials)
        if self.of_people is None:  # a pair in error is one pair of people, and was tried
            shares = np.bincount(of, weights=wrong / trials[of], minlength=size)
            return shares.astype(np.float64), np.ones(size, np.int64)
        tried = self.tried_of_people(one, other, self.tried[int(generalised)])
        shares = np.bincount(of, weights=wrong / tried[self.of_people[rows]], minlength=size)
        # Several pairs of people are in one pair of clusters, those without an error among them.
        owner = np.zeros(len(tried), np.int64)
        owner[self.of_people] = self.pair
        counts = np.bincount(owner[tried > 0], minlength=len(self.starts))
        found = np.zeros(size, np.int64)
        found[of] = counts[self.pair[rows]]
        return shares.astype(np.float64), found

    def tried_of_people(self, one: BoolArray, other: BoolArray | None, tried: IntArray) -> IntArray:
        """Trials of each pair of people within a group, or between two; where people are in clusters."""
        assert self.of_people is not None
        found: IntArray = scratch(int(self.of_people.max(initial=-1)) + 1, np.int64)
        for part in chunks(len(self.low)):
            inside, _ = placed(self.low[part], self.high[part], one, other)
            np.add.at(found, self.of_people[part], tried[part] * inside)
        return found

    def tried_by_each(
        self, first: BoolArray, second: BoolArray | None, counted: BoolArray, *, generalised: bool
    ) -> IntArray | None:
        """Pairs within a group, or between two, that hold each person (or cluster), int64; None where a unit is not whole.

        counted : bool (n,), templates that are in any pair
        """
        one, other = self.units_with(first, counted), None if second is None else self.units_with(second, counted)
        if one is None or (other is None and second is not None):
            return None
        sums = self.sums_within(one, other, generalised=generalised)
        within = sums.within if self.people is not None else 0
        return np.asarray(sums.as_left + sums.as_right - within, np.float64).astype(np.int64)

    def units_with(self, templates: BoolArray, counted: BoolArray) -> BoolArray | None:
        """The units of a group of templates; None where it has but some of the counted templates of one."""
        units = np.zeros(len(self.templates), np.bool_)
        units[self.unit_of[templates]] = True
        return None if (units[self.unit_of] & counted & ~templates).any() else units

    def sums_within(self, one: BoolArray, other: BoolArray | None, *, generalised: bool) -> TrialSums:
        """What is summed of a group of units, or between two, the first time that it is asked for."""
        key = (one.tobytes(), b"" if other is None else other.tobytes(), generalised and self.lost)
        if key not in self.sums:
            self.sums[key] = self.trial_sums(one, other, self.tried[int(generalised)], self.squared[int(generalised)])
        return self.sums[key]

    @cached_property
    def lost(self) -> bool:
        """Whether any pair has no score."""
        return any((self.tried[0, part] != self.tried[1, part]).any() for part in chunks(len(self.low)))

    def units_in(self, templates: BoolArray) -> BoolArray:
        """The units of a group of templates."""
        units = templates[self.templates]
        assert np.array_equal(units[self.unit_of], templates), "a group takes a unit apart"
        return units

    def trial_sums(self, one: BoolArray, other: BoolArray | None, tried: IntArray, squared: IntArray) -> TrialSums:
        """Per person the trials of a group, or of two, over all rows.

        A comparison that is listed in both orders is one comparison with two trials: its noise counts squared.
        """
        people = int(self.subjects.max(initial=-1)) + 1
        found, even = _Sums(people), _Sums(people)
        tested = None if self.people is None else np.zeros(int(self.people.max(initial=-1)) + 1, np.bool_)
        alone, shares, codes = 0.0, Column(np.float64), Column(np.int64)
        for part in self.parts():
            low, high = self.low[part], self.high[part]
            inside, swapped = placed(low, high, one, other)
            rows = np.flatnonzero(inside & (tried[part] > 0))
            sides = self.subjects[low[rows]], self.subjects[high[rows]]
            turned, trials, pair = swapped[rows], tried[part][rows], self.pair[part][rows]
            found.add(sides[0], sides[1], turned, pair, trials)
            if self.people is not None and tested is not None:
                tested[self.people[low[rows]]] = tested[self.people[high[rows]]] = True
            of_people = pair if self.of_people is None else self.of_people[part][rows]
            known, first, of = np.unique(of_people, return_index=True, return_inverse=True)
            in_order = np.sort(first)
            low_side, high_side = (side[in_order] for side in sides)
            even.add(low_side, high_side, turned[in_order], pair[in_order], np.ones(len(first), np.int64))
            own = np.bincount(of.reshape(-1), weights=trials, minlength=len(known))
            of_squares = np.bincount(of.reshape(-1), weights=squared[part][rows], minlength=len(known))
            shares.append(of_squares / own / own)
            codes.append(known)
            alone += float(squared[part][rows].sum())
        independent = shares.array()
        if self.of_people is not None:  # these do not rise from one part to the next
            independent = independent[np.argsort(codes.array())]
        even_sums = even.sums(tested, independent=float(independent.sum()))
        return replace(found.sums(tested, independent=alone), even=even_sums)

    def parts(self) -> Iterator[slice]:
        """Some rows at a time, all those of a pair together."""
        first, last = 0, len(self.starts) - 1
        while first < last:
            reach = self.starts[first] + rows_at_once()
            stop = max(int(np.searchsorted(self.starts, reach, side="right")) - 1, first + 1)
            yield slice(int(self.starts[first]), int(self.starts[stop]))
            first = stop

    def trials_of(self, pairs: IntArray, one: BoolArray, other: BoolArray | None, tried: IntArray) -> IntArray:
        """Trials of some pairs of people within a group, or between two."""
        counts = self.starts[pairs + 1] - self.starts[pairs]
        first = np.cumsum(counts) - counts
        rows = np.arange(counts.sum()) - np.repeat(first - self.starts[pairs], counts)
        inside, _ = placed(self.low[rows], self.high[rows], one, other)
        of = np.repeat(np.arange(len(pairs)), counts)
        return np.bincount(of, weights=tried[rows] * inside, minlength=len(pairs)).astype(np.int64)


class _Sums:
    """What the trials of some pairs come to by person (or cluster), as more of them are added: float64 (people,) each."""

    def __init__(self, people: int) -> None:
        self._left, self._right, self._squares, self._within = np.zeros((4, people))

    def add(self, low: IntArray, high: IntArray, swapped: BoolArray, pair: IntArray, trials: IntArray) -> None:
        """Add rows, all those of a pair at once. swapped : the higher one is of the first group; pair : of each row, rising"""
        people = len(self._left)
        left, right = np.where(swapped, high, low), np.where(swapped, low, high)
        first = np.flatnonzero(np.diff(pair, prepend=-1))
        together = np.add.reduceat(trials, first).astype(np.float64) ** 2 if len(first) else np.empty(0)
        together = np.where(low[first] != high[first], together, 0.0)  # pairs within a cluster are in no square
        self._squares += sums_by(low[first], together, people) + sums_by(high[first], together, people)
        weights = trials.astype(np.float64)
        self._left += sums_by(left, weights, people)
        self._right += sums_by(right, weights, people)
        self._within += sums_by(low, np.where(low == high, weights, 0.0), people)

    def sums(self, tested: BoolArray | None, *, independent: float) -> TrialSums:
        """All of them. tested : people with trials, where the sums are of clusters; None: they are of people"""
        if tested is None:
            return TrialSums(self._left, self._right, self._squares, independent=independent)
        return TrialSums(
            self._left, self._right, self._squares, self._within, int(tested.sum()), independent=independent
        )


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
    # Rows of one pair of people must be neighbours: the pair first, then which of their units.
    people = int(of_unit.max(initial=-1)) + 1
    units = UnitPairs(of_unit, people, int(np.bincount(of_unit).max(initial=0)) + 1)
    numbers: IntArray = scratch(len(impostor), np.int64)
    for part in chunks(len(numbers)):
        numbers[part] = units.keys(unit_of[impostor[part, 0]], unit_of[impostor[part, 1]])
    row_of, distinct = numbered(numbers)
    del numbers
    low, high, pair, starts = units.rows(distinct)
    of_people = None
    if clusters is not None:
        person = subjects[templates]
        ends: IntArray = scratch(len(low), np.int64)
        for part in chunks(len(ends)):
            one, other = person[low[part]], person[high[part]]
            ends[part] = np.minimum(one, other) * (int(person.max(initial=0)) + 1) + np.maximum(one, other)
        of_people, _ = numbered(ends)
    tried, squared = (scratch((2, len(low)), np.int64) for _ in range(2))
    for k, stop in enumerate((made, len(row_of))):
        if k and made == len(row_of):
            tried[1], squared[1] = tried[0], squared[0]
            break
        for part in chunks(stop):
            np.add.at(tried[k], row_of[part], 1)
        squared[k] = tried[k]
        for left, right, twins in twins_of(impostor[:stop]):
            rows = np.searchsorted(distinct, units.keys(unit_of[left], unit_of[right]))
            np.add.at(squared[k], rows, 2 * twins)
    return ListedPeople(
        unit_of,
        of_unit,
        templates,
        low,
        high,
        pair,
        starts,
        tried,
        squared,
        row_of,
        people=None if clusters is None else subjects[templates],
        of_people=of_people,
    )


@dataclass(frozen=True)
class UnitPairs:
    """Pairs of units as numbers that rise with the pair of their people.

    of_unit : int64 (U,), person (or cluster) of each unit, rising; people : how many; most : more than the units of any
    """

    of_unit: IntArray
    people: int
    most: int

    def keys(self, one: IntArray, other: IntArray) -> IntArray:
        """The number of each pair of units, in either order."""
        low, high = np.minimum(one, other), np.maximum(one, other)
        nth = np.arange(len(self.of_unit)) - np.searchsorted(self.of_unit, self.of_unit)
        pair = self.of_unit[low] * self.people + self.of_unit[high]
        return np.asarray((pair * self.most + nth[low]) * self.most + nth[high])

    def rows(self, keys: IntArray) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Units of distinct numbers that rise, lower and higher, the place of their pair of people, and where each pair begins."""
        first = np.searchsorted(self.of_unit, np.arange(self.people))
        low, high, pair = (scratch(len(keys), np.int32) for _ in range(3))
        starts, before, count = Column(np.int64), -1, 0
        for part in chunks(len(keys)):
            rest, nth_high = np.divmod(keys[part], self.most)
            of_pair, nth_low = np.divmod(rest, self.most)
            low[part] = first[of_pair // self.people] + nth_low
            high[part] = first[of_pair % self.people] + nth_high
            fresh = np.diff(of_pair, prepend=before) != 0
            pair[part] = np.cumsum(fresh) + count - 1
            starts.append(np.flatnonzero(fresh) + part.start)
            before, count = int(of_pair[-1]), count + int(fresh.sum())
        starts.append([len(keys)])
        return low, high, pair, starts.array()


def numbered(keys: IntArray) -> tuple[IntArray, IntArray]:
    """The place of each number among the distinct ones, int32, and these, rising; as `np.unique`, in little memory.

    Examples
    --------
    >>> import numpy as np
    >>> numbered(np.array([7, 3, 7]))
    (array([1, 0, 1], dtype=int32), array([3, 7]))
    """
    order = np.argsort(keys)
    found: IntArray = scratch(len(keys), np.int32)
    distinct, before, count = Column(np.int64), None, 0
    for part in chunks(len(keys)):
        own = keys[order[part]]
        fresh = np.append(before is None or own[0] != before, np.diff(own) != 0)
        found[order[part]] = np.cumsum(fresh) + count - 1
        distinct.append(own[fresh])
        before, count = int(own[-1]), count + int(fresh.sum())
    return found, distinct.array()


def twins_of(pairs: IntArray) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Pairs of templates that are listed in both orders: the two, and how many rows of one order have a twin of the other."""
    size = int(pairs.max(initial=0)) + 1
    keys: IntArray = scratch(len(pairs), np.int64)
    for part in chunks(len(keys)):
        left, right = pairs[part, 0], pairs[part, 1]
        keys[part] = (np.minimum(left, right) * size + np.maximum(left, right)) * 2 + (left > right)
    keys.sort()
    for part in chunks(len(keys)):
        own = keys[part.start : part.stop + 1]
        turned = part.start + 1 + np.flatnonzero((np.diff(own) == 1) & (own[:-1] % 2 == 0))
        if len(turned):
            ahead = turned - np.searchsorted(keys, keys[turned - 1], side="left")
            behind = np.searchsorted(keys, keys[turned], side="right") - turned
            yield *np.divmod(keys[turned] // 2, size), np.minimum(ahead, behind)


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
