"""All pairs and listed pairs give the same rates if the list is complete, equal to those by brute force."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from facegap.derive.comparisons import (
    Comparisons,
    counted_comparisons,
    counted_groups,
    false_match_rate,
    false_non_match_rate,
    finest_cells,
    impostors_within,
    listed_comparisons,
    lost_genuine_pairs,
    without,
    without_excluded_trials,
)
from facegap.derive.metrics import FMR, GFAR
from facegap.derive.pair_list_rates import listed_people, times_listed
from facegap.derive.people_sums import people_sums
from facegap.errors import StatisticsError
from facegap.matching import count_scores, score_pairs
from facegap.statistics.dyadic import dyadic_fmr
from facegap.statistics.trial_sums import TrialSums, fmr_of_sums
from facegap.types import IntArray, Rate

NOTHING = np.empty((0, 2), np.int64)
FIELDS = ("errors", "trials", "subjects", "effective_trials", "low", "high")


class Faces:
    """Templates with one direction per person and a spread around it; some lost, some in another set."""

    def __init__(self, seed: int, images: int, people: int, *, lost: float = 0.15, elsewhere: float = 0.15) -> None:
        rng = np.random.default_rng(seed)
        self.subjects = np.sort(rng.integers(0, people, images))
        centre = rng.normal(size=(people, 4))
        rows = centre[self.subjects] + rng.normal(size=(images, 4))
        self.rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        self.cells = rng.integers(0, 3, images)
        self.enrolled = rng.random(images) >= lost
        self.enrolled[:2] = True
        self.counted = rng.random(images) >= elsewhere
        self.counted[:2] = True
        left, right = np.triu_indices(images, 1)
        flip = rng.random(len(left)) < 0.5
        self.pairs = np.stack([np.where(flip, right, left), np.where(flip, left, right)], axis=1)
        self.scores = score_pairs(self.rows, self.pairs[:, 0], self.pairs[:, 1])
        self.genuine = self.subjects[self.pairs[:, 0]] == self.subjects[self.pairs[:, 1]]
        self.made = self.enrolled[self.pairs].all(axis=1)
        self.excluded = self.pairs[rng.random(len(left)) < 0.05]

    def all_pairs(self, excluded: Any = NOTHING, tail_limit: int = 10**6) -> Comparisons:
        inside = np.flatnonzero(self.enrolled & self.counted)
        place = np.full(len(self.rows), -1)
        place[inside] = np.arange(len(inside))
        among = place[excluded]
        counts = count_scores(
            self.rows[inside],
            self.subjects[inside],
            self.cells[inside],
            floor=-1.01,
            bins=16,
            tail_limit=tail_limit,
            exclude=among[(among >= 0).all(axis=1)],
        )
        return counted_comparisons(counts, self.subjects, self.enrolled, self.counted, excluded)

    def listed(self, excluded: Any = NOTHING) -> Comparisons:
        frame = pd.DataFrame(
            {
                "left": self.pairs[:, 0],
                "right": self.pairs[:, 1],
                "genuine": self.genuine,
                "score": np.where(self.made, self.scores, np.nan),
            }
        )
        return listed_comparisons(frame, self.subjects, self.enrolled, self.counted, excluded, self.cells)

    def brute(self, threshold: float, first: Any, second: Any, metric: str, excluded: Any) -> tuple[int, int]:
        """Errors and trials by brute force over pairs."""
        gone = {frozenset(pair) for pair in excluded.tolist()}
        errors = trials = 0
        for (a, b), score, genuine, made in zip(self.pairs, self.scores, self.genuine, self.made, strict=True):
            within = (first[a] and first[b]) if second is None else (first[a] and second[b]) or (second[a] and first[b])
            if genuine != (metric in ("fnmr", "gfrr")) or not within or not (self.counted[a] and self.counted[b]):
                continue
            if frozenset((int(a), int(b))) in gone or not (made or metric in ("gfar", "gfrr")):
                continue
            trials += 1
            accepted = made and score >= threshold
            errors += accepted != genuine
        return errors, trials


def rates(pairs: Comparisons, threshold: float, first: Any, second: Any) -> dict[str, Rate]:
    found = {
        name: false_match_rate(pairs, threshold, first, second, generalised=name == "gfar", level=0.95)
        for name in ("fmr", "gfar")
    }
    if second is None:
        found |= {
            name: false_non_match_rate(pairs, threshold, first, generalised=name == "gfrr", level=0.95)
            for name in ("fnmr", "gfrr")
        }
    return found


def numbers(rate: Rate) -> list[float]:
    return [float(getattr(rate, name)) for name in FIELDS]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 24), st.integers(1, 9), st.sampled_from([-0.5, 0.2, 0.6, 0.95]))
@example(5, 15, 5, -0.5)  # two people with images in both groups
def test_both_ways_give_the_counts_of_brute_force_and_the_same_intervals(
    seed: int, images: int, people: int, threshold: float
) -> None:
    faces = Faces(seed, images, people)
    whole, listed = faces.all_pairs(), faces.listed()
    masks = [faces.cells >= 0, faces.cells == 0, faces.cells != 1]
    jobs = [(mask, None) for mask in masks] + [
        (faces.cells == 0, faces.cells == 1),
        (faces.cells != 2, faces.cells == 2),
    ]
    for first, second in jobs:
        one, other = rates(whole, threshold, first, second), rates(listed, threshold, first, second)
        for metric, rate in one.items():
            assert (rate.errors, rate.trials) == faces.brute(threshold, first, second, metric, NOTHING), metric
            if rate.trials:
                np.testing.assert_allclose(numbers(rate), numbers(other[metric]), rtol=1e-9, atol=1e-12)
            else:
                assert other[metric].trials == 0
                assert np.isnan([rate.low, rate.high, other[metric].low, other[metric].high]).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 24), st.integers(2, 9), st.sampled_from([0.2, 0.6]))
def test_reviewed_pairs_are_in_no_count_in_either_way(seed: int, images: int, people: int, threshold: float) -> None:
    faces = Faces(seed, images, people)
    both_ways = faces.excluded[:, ::-1]  # because the list of pairs does not contain them
    for pairs in (faces.all_pairs(both_ways), faces.listed(both_ways)):
        for first, second in ((faces.cells >= 0, None), (faces.cells == 0, None), (faces.cells == 0, faces.cells == 1)):
            for metric, rate in rates(pairs, threshold, first, second).items():
                assert (rate.errors, rate.trials) == faces.brute(threshold, first, second, metric, faces.excluded), (
                    metric
                )
                if rate.trials and not np.isnan(rate.low):
                    assert 0 <= rate.low <= rate.value <= rate.high <= 1
                    assert rate.effective_trials <= rate.trials + 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 30), st.integers(1, 9))
def test_genuine_pairs_that_were_lost_are_found(seed: int, images: int, people: int) -> None:
    faces = Faces(seed, images, people, lost=0.4)
    found = {tuple(pair) for pair in lost_genuine_pairs(faces.subjects, faces.enrolled, faces.counted).tolist()}
    expected = {
        (a, b)
        for a, b in combinations(range(images), 2)
        if faces.subjects[a] == faces.subjects[b]
        and faces.counted[a]
        and faces.counted[b]
        and not (faces.enrolled[a] and faces.enrolled[b])
    }
    assert found == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 24), st.integers(2, 9))
def test_impostor_scores_within_a_group_are_those_of_brute_force_and_counted_below_the_list(
    seed: int, images: int, people: int
) -> None:
    faces = Faces(seed, images, people)
    group = faces.cells != 1
    inside = faces.made & ~faces.genuine & (group & faces.counted)[faces.pairs].all(axis=1)
    inside &= without(faces.pairs, faces.excluded, images)
    expected = np.sort(faces.scores[inside])[::-1]
    for pairs in (faces.all_pairs(faces.excluded), faces.listed(faces.excluded)):
        scores, trials = impostors_within(pairs, group)
        assert trials == len(expected)
        np.testing.assert_array_equal(scores, expected)
    short = faces.all_pairs(faces.excluded, tail_limit=2)
    scores, trials = impostors_within(short, group)
    assert trials == len(expected)
    np.testing.assert_array_equal(scores, expected[expected >= short.floor])


def test_a_score_at_the_threshold_is_a_match_to_the_last_bit() -> None:
    faces = Faces(1, 12, 4, lost=0, elsewhere=0)
    whole, everybody = faces.all_pairs(), np.ones(12, np.bool_)
    tied = float(whole.impostor_scores[5])
    matches = int((faces.scores[~faces.genuine] >= tied).sum())
    for pairs in (whole, faces.listed()):
        assert len(pairs.false_matches(tied)) == matches == 6
        assert len(pairs.false_matches(np.nextafter(tied, 2))) == matches - 1
        assert false_match_rate(pairs, tied, everybody, None, generalised=False, level=0.95).errors == matches


def test_below_the_end_of_the_list_there_is_an_error_that_says_what_to_do() -> None:
    short = Faces(1, 12, 4).all_pairs(tail_limit=3)
    assert not short.complete
    with pytest.raises(StatisticsError, match=r"ends at score .*above the threshold -0.9000; .*--tail-limit"):
        short.false_matches(-0.9)
    assert len(short.false_matches(short.floor)) == 3


def test_a_rate_of_which_every_pair_was_reviewed_away_is_nan() -> None:
    rate = Rate(0, 3, subjects=3, effective_trials=1, low=0.0, high=0.975)
    left = without_excluded_trials(rate, 3)
    assert left.trials == 0
    assert np.isnan([left.value, left.low, left.high, left.effective_trials]).all()
    assert without_excluded_trials(rate, 0) is rate


def test_the_interval_is_of_the_trials_that_are_left() -> None:
    rate = Rate(2, 100, subjects=20, effective_trials=50, low=0.005, high=0.1, method="wilson on effective trials")
    less = without_excluded_trials(rate, 20)
    assert (less.errors, less.trials, less.effective_trials) == (2, 80, 40)
    assert less.low < less.value == 0.025 < less.high
    one = without_excluded_trials(replace(rate, errors=0, trials=6, effective_trials=3, low=0.0, high=0.708), 5)
    assert (one.trials, one.effective_trials) == (1, 1)
    assert one.high == pytest.approx(0.975)  # one trial: 1 - .025


def test_a_person_with_images_in_two_cells_is_one_person_in_a_list_too() -> None:
    # Person 0 has an image in each of two cells, person 1 two in one, person 2 one.
    subjects, cells = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 0, 1])
    pairs = np.array([(0, 2), (3, 1), (2, 4), (1, 4), (0, 3), (1, 2)])
    people = listed_people(subjects, cells, pairs, 5)
    everybody = np.ones(5, np.bool_)
    rate = people.rate(slice(2), everybody, None, generalised=False, level=0.95)
    direct = dyadic_fmr([0, 1, 1, 0, 0], [1, 0, 2, 2, 1], [1, 1, 0, 0, 0], trials=[1] * 5)
    np.testing.assert_allclose(numbers(rate), numbers(direct))
    across = people.rate(slice(2), cells == 0, cells == 1, generalised=True, level=0.95)
    direct = dyadic_fmr([1, 1, 1], [0, 2, 0], [1, 0, 0], trials=[1] * 3, across=True)
    np.testing.assert_allclose(numbers(across), numbers(direct))
    with pytest.raises(AssertionError, match="takes a unit apart"):
        people.rate(slice(2), np.array([True, True, True, False, True]), None, generalised=False, level=0.95)


@pytest.mark.parametrize("by_units", [False, True])
def test_pairs_taken_three_at_a_time_give_the_rates_of_all_at_once(
    by_units: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = Faces(7, 40, 9)
    scores = np.where(faces.made, faces.scores, np.nan).round(1)  # many are equal
    frame = pd.DataFrame(
        {"left": faces.pairs[:, 0], "right": faces.pairs[:, 1], "genuine": faces.genuine, "score": scores}
    )
    frame = pd.concat([frame, both_orders(frame).iloc[-len(frame) // 3 :]], ignore_index=True)
    units = faces.subjects // 2 if by_units else None

    def found() -> Comparisons:
        return listed_comparisons(frame, faces.subjects, faces.enrolled, faces.counted, NOTHING, faces.cells, units)

    def numbers_of(pairs: Comparisons) -> list[dict[str, Rate]]:
        return [rates(pairs, 0.3, faces.cells != 1, second) for second in (None, faces.cells == 1)]

    whole = found()
    at_once = numbers_of(whole)
    monkeypatch.setattr("facegap.store.scratch.CHUNK", 3)
    monkeypatch.setattr("facegap.store.scratch.LEAST_MAPPED", 1)
    parted = found()
    assert np.array_equal(parted.impostor, whole.impostor)
    assert np.array_equal(parted.impostor_scores, whole.impostor_scores, equal_nan=True)
    assert numbers_of(parted) == at_once
    group, people = (faces.cells != 1) & faces.counted, int(whole.varying.max()) + 1
    for metric in (FMR, GFAR):
        again = people_sums(whole, 0.3, metric, group, people)
        for pairs in (parted, replace(whole, people=None)):
            errors, trials = people_sums(pairs, 0.3, metric, group, people)
            assert np.array_equal(errors, again[0]) and np.array_equal(trials, again[1])


def test_cells_hold_every_attribute_of_every_grouping_that_is_there() -> None:
    frame = pd.DataFrame({"gender": ["f", "m", "f"], "tone": ["I", "I", "II"]})
    assert finest_cells(frame, [(), ("gender",), ("tone", "gender")]).tolist() == [0, 2, 1]
    assert finest_cells(frame, [("gender",), ("missing",)]).tolist() == [0, 1, 0]
    assert finest_cells(frame, [()]).tolist() == [0, 0, 0]


def test_too_many_crossings_are_counted_as_one_group_and_refused_nowhere() -> None:
    frame = pd.DataFrame({"town": [f"t{k % 60}" for k in range(3000)], "year": [f"{k // 60}" for k in range(3000)]})
    assert len(counted_groups(frame, [("town",)]).groups) == 60
    assert len(counted_groups(frame, [("town",), ("year",)]).groups) == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 8), st.booleans())
def test_sums_of_trials_taken_beforehand_give_the_rate_of_all_pairs_listed(
    seed: int, people: int, across: bool
) -> None:
    rng = np.random.default_rng(seed)
    left, right = np.triu_indices(people, 1)
    trials = rng.integers(1, 5, len(left))
    wrong = rng.binomial(trials, 0.3)
    direct = dyadic_fmr(left, right, wrong, trials=trials, across=across)

    def by(codes: Any, values: Any) -> Any:
        return np.bincount(codes, weights=values, minlength=people)

    def sums_of(values: Any) -> TrialSums:
        return TrialSums(by(left, values), by(right, values), by(left, values**2) + by(right, values**2))

    even = replace(sums_of(np.ones(len(left))), independent=float((1 / trials).sum()))
    erred = wrong > 0
    shares = wrong[erred] / trials[erred], np.ones(int(erred.sum()))
    found = fmr_of_sums(
        left[erred],
        right[erred],
        wrong[erred],
        trials[erred],
        replace(sums_of(trials), even=even),
        across=across,
        even=shares,
    )
    np.testing.assert_allclose(numbers(found), numbers(direct), rtol=1e-9)
    assert found.per_person == pytest.approx(direct.per_person)
    assert found.per_person_trials == pytest.approx(direct.per_person_trials)
    assert found.method == direct.method


def test_a_pair_of_people_that_is_listed_twice_is_refused() -> None:
    sums = TrialSums(np.array([4.0, 0.0]), np.array([0.0, 4.0]), np.array([16.0, 16.0]))
    assert fmr_of_sums([0], [1], [2], [4], sums).value == 0.5
    with pytest.raises(StatisticsError, match="listed twice"):
        fmr_of_sums([0, 1], [1, 0], [1, 1], [4, 4], sums)


def test_a_pair_in_the_other_order_is_the_same_comparison_and_a_second_attempt_is_not() -> None:
    assert times_listed(np.array([[0, 1], [2, 1], [1, 0], [0, 2]])).tolist() == [2, 1, 2, 1]
    # Attempts in one order are separate comparisons; each has at most one counterpart in the other order.
    assert times_listed(np.array([[0, 1], [0, 1], [1, 0], [0, 1]])).tolist() == [2, 1, 2, 1]
    assert times_listed(np.array([[0, 1], [0, 1]])).tolist() == [1, 1]
    assert times_listed(np.array([[0, 1], [2, 1]])).tolist() == [1, 1]
    assert times_listed(NOTHING).tolist() == []
    assert times_listed(np.array([[1, 1], [1, 1]])).tolist() == [1, 1]  # a template with itself has only one order


def test_a_genuine_pair_in_both_orders_is_one_independent_trial() -> None:
    subjects = np.repeat(np.arange(10), 2)
    mates = np.arange(20).reshape(10, 2)
    frame = pd.DataFrame({"left": mates[:, 0], "right": mates[:, 1], "genuine": True, "score": [0.0] * 2 + [1.0] * 8})
    everybody = np.ones(20, np.bool_)
    once, twice = (
        false_non_match_rate(
            listed_comparisons(pairs, subjects, everybody, everybody, NOTHING),
            0.5,
            everybody,
            generalised=False,
            level=0.95,
        )
        for pairs in (frame, both_orders(frame))
    )
    assert (once.errors, once.trials, once.effective_trials, once.method) == (2, 10, 10, "wilson")
    assert (twice.errors, twice.trials, twice.effective_trials, twice.method) == (4, 20, 10, "wilson")
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), rel=1e-12)


def both_orders(frame: pd.DataFrame) -> pd.DataFrame:
    """A list of pairs, and each pair again with its sides swapped."""
    return pd.concat([frame, frame.rename(columns={"left": "right", "right": "left"})], ignore_index=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 40), st.integers(2, 12), st.floats(-0.9, 0.95), st.booleans())
def test_every_pair_in_both_orders_doubles_the_counts_and_nothing_else(
    seed: int, images: int, people: int, threshold: float, by_units: bool
) -> None:
    faces = Faces(seed, images, people)
    kept = np.random.default_rng(seed).random(len(faces.pairs)) < 0.7
    scores = np.where(faces.made, faces.scores, np.nan)[kept]
    frame = pd.DataFrame(
        {"left": faces.pairs[kept, 0], "right": faces.pairs[kept, 1], "genuine": faces.genuine[kept], "score": scores}
    )
    units = faces.subjects // 2 if by_units else None

    def found(pairs: pd.DataFrame, second: IntArray | None) -> dict[str, Rate]:
        comparisons = listed_comparisons(
            pairs, faces.subjects, faces.enrolled, faces.counted, NOTHING, faces.cells, units
        )
        return rates(comparisons, threshold, faces.cells != 1, second)

    for second in (None, faces.cells == 1):
        once, twice = found(frame, second), found(both_orders(frame), second)
        for metric, rate in once.items():
            doubled = asdict(twice[metric])
            assert (doubled.pop("errors"), doubled.pop("trials")) == (2 * rate.errors, 2 * rate.trials)
            for name, value in doubled.items():
                wanted = getattr(rate, name)
                same = (
                    value == pytest.approx(wanted, rel=1e-9, nan_ok=True)
                    if isinstance(value, float)
                    else value == wanted
                )
                assert same, (metric, name, value, wanted)


def test_a_pair_listed_in_one_order_only_weighs_as_one_among_those_listed_in_both() -> None:
    # One trial of each of two pairs, and two of a third: (1 + 1 + 2)^2 / (1 + 1 + 4) independent trials.
    subjects, everybody = np.repeat(np.arange(3), 2), np.ones(6, np.bool_)
    frame = pd.DataFrame({"left": [0, 2, 4, 5], "right": [1, 3, 5, 4], "genuine": True, "score": [0.0, 1.0, 1.0, 1.0]})
    pairs = listed_comparisons(frame, subjects, everybody, everybody, NOTHING)
    rate = false_non_match_rate(pairs, 0.5, everybody, generalised=False, level=0.95)
    assert (rate.errors, rate.trials) == (1, 4)
    assert rate.effective_trials == pytest.approx(16 / 6)


@pytest.mark.parametrize(("errors", "dominated"), [(3, 0), (4, 0), (5, 1), (9, 1)])
def test_both_orders_of_a_pair_are_one_error_of_a_person_who_dominates(errors: int, dominated: int) -> None:
    # Person 0 is in every false match, and has the same number of false non-matches of other images.
    subjects, everybody = np.repeat(np.arange(20), 5), np.ones(100, np.bool_)
    left, right = np.triu_indices(100, 1)
    genuine = subjects[left] == subjects[right]
    wrong = (left == 0) & ~genuine & (right % 5 == 0) & (right <= 5 * errors)
    wrong |= genuine & (np.cumsum(genuine) <= errors)
    frame = pd.DataFrame(
        {"left": left, "right": right, "genuine": genuine, "score": np.where(wrong ^ genuine, 1.0, 0.0)}
    )
    for listed in (frame, both_orders(frame)):
        pairs = listed_comparisons(listed, subjects, everybody, everybody, NOTHING, np.zeros(100, np.int64))
        found = rates(pairs, 0.5, everybody, None)
        assert found["fmr"].errors == found["fnmr"].errors == errors * len(listed) // len(frame)
        assert (found["fmr"].dominated_by, found["fnmr"].dominated_by) == (dominated, dominated)
