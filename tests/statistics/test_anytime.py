"""Verdicts that may be computed after every batch."""

import numpy as np
import pytest

from facegap.errors import StatisticsError
from facegap.statistics.anytime import (
    PARTS,
    GapSoFar,
    anytime_gaps,
    gap_limits,
    gap_p,
    log_capital_above,
    log_capital_below,
    log_evidence,
    observed,
    observed_by_group,
    verdicts_so_far,
)
from facegap.statistics.until_decided import FamilySoFar, gaps_of, undecided
from fixtures.campaigns import short_and_full


def test_capital_is_what_a_gambler_holds_by_hand() -> None:
    group = observed(np.array([1.0, 0.0, 0.5]))
    m = 0.4
    held = [np.prod([1 + f / m * (x - m) for x in (1.0, 0.0, 0.5)]) for f in PARTS]
    assert np.exp(log_capital_above(group, np.array([m]))[0]) == pytest.approx(np.mean(held))
    held = [np.prod([1 - f / (1 - m) * (x - m) for x in (1.0, 0.0, 0.5)]) for f in PARTS]
    assert np.exp(log_capital_below(group, np.array([m]))[0]) == pytest.approx(np.mean(held))


def test_capital_falls_with_the_bound_and_expects_nothing_under_the_null() -> None:
    group = observed(np.random.default_rng(0).beta(1, 3, 50))
    bounds = np.linspace(0.01, 0.99, 50)
    assert (np.diff(log_capital_above(group, bounds)) <= 1e-9).all()
    assert (np.diff(log_capital_below(group, bounds)) >= -1e-9).all()
    # Over all outcomes of three trials with probability m the capital has mean 1.
    m, total = 0.3, 0.0
    for errors, ways in enumerate((1, 3, 3, 1)):
        capital = np.exp(log_capital_above(observed(np.repeat([1.0, 0.0], [errors, 3 - errors])), np.array([m]))[0])
        total += ways * m**errors * (1 - m) ** (3 - errors) * capital
    assert total == pytest.approx(1)


def test_the_evidence_is_no_more_than_the_smallest_product_over_the_null() -> None:
    rng = np.random.default_rng(1)
    first, second = observed((rng.random(80) < 0.4).astype(float)), observed((rng.random(60) < 0.15).astype(float))
    means = np.linspace(1e-6, 1 - 1e-6, 4001)
    for difference, ratio in ((0.0, 1.0), (0.05, 1.0), (-0.1, 1.0), (0.0, 1.5)):
        line = ratio * means + difference
        inside = (line >= 0) & (line <= 1)
        smallest = (log_capital_above(first, line[inside]) + log_capital_below(second, means[inside])).min()
        found = log_evidence(first, second, difference=difference, ratio=ratio)
        assert found <= smallest + 1e-9
        assert found >= smallest - 1.0


def test_the_order_of_people_plays_no_part_and_wrong_means_are_refused() -> None:
    means = np.random.default_rng(2).random(30).round(1)
    assert gap_p(observed(means), observed(means[:10])) == gap_p(observed(means[::-1]), observed(means[:10]))
    for wrong in (-0.1, 1.1, np.nan):
        with pytest.raises(StatisticsError, match="0 to 1"):
            observed(np.array([wrong]))


def test_before_anybody_was_seen_nothing_is_known() -> None:
    nobody = observed(np.empty(0))
    assert gap_limits(nobody, nobody, 0.05, is_ratio=False) == (-1.0, 1.0)
    assert anytime_gaps({"f": np.empty(0), "m": np.empty(0)}, margin=0.02)[0].verdict == "not enough data"


def test_clear_gaps_and_clear_likeness_get_their_verdicts() -> None:
    wide = {"f": np.repeat([1.0, 0.0], [60, 140]), "m": np.repeat([1.0, 0.0], [10, 190])}
    (gap,) = anytime_gaps(wide, margin=0.02)
    assert gap.verdict == "gap larger than the margin"
    assert 0.02 < gap.low < 0.25 < gap.high
    alike = {"f": np.zeros(3000), "m": np.zeros(3000)}
    assert anytime_gaps(alike, margin=0.02)[0].verdict == "no gap larger than the margin"


@short_and_full("audits", 40, 2000)
@pytest.mark.parametrize(("sizes", "images"), [((300, 300), 4), ((450, 100), 4)])
def test_looking_after_every_batch_finds_a_gap_where_there_is_none_in_alpha_of_audits(
    audits: int, sizes: tuple[int, int], images: int
) -> None:
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(audits):
        group = rng.permutation(np.repeat([0, 1], sizes))
        count = 1 + rng.integers(0, images, len(group))
        errors = rng.binomial(count, rng.beta(0.4, 3.6, len(group)))  # rate 0.1, correlation 0.2
        for end in range(50, len(group) + 1, 50):
            means, of = (errors / count)[:end], group[:end]
            if gap_p(observed(means[of == 0]), observed(means[of == 1])) <= 0.05:
                found += 1
                break
    assert found <= 0.05 * audits + (2 if audits < 100 else 0)


def test_people_of_a_group_enter_with_the_proportion_of_their_trials_that_were_errors() -> None:
    errors, trials = np.array([True, False, True, True, True]), np.array([True, True, True, False, True])
    groups = observed_by_group(errors, trials, np.array([0, 0, 1, 1, 2]), np.array([0, 0, 0, 0, -1]), 2)
    assert (groups[0].values.tolist(), groups[0].counts.tolist()) == ([0.5, 1.0], [1.0, 1.0])
    assert groups[1].people == 0


def test_a_family_counts_gaps_that_are_not_there_and_groups_that_are_too_small_stay_open() -> None:
    people = [observed(np.repeat([1.0, 0.0], counts)) for counts in ([9, 11], [0, 60], [0, 19])]
    gap = GapSoFar(people[0], people[1], 0.02)
    alone, among = verdicts_so_far([gap], alpha=0.05), verdicts_so_far([gap], alpha=0.05, tests=50)
    assert among.p_adjusted[0] == pytest.approx(50 * alone.p[0])
    assert (alone.verdict[0], among.verdict[0]) == ("gap larger than the margin", "gap larger than the margin")
    family = FamilySoFar(people, np.array([True, True, True]), 0.02, is_ratio=False)
    assert undecided([family], alpha=0.05, fewest=20) == 2
    without = FamilySoFar(people, np.array([True, True, False]), 0.02, is_ratio=False)
    assert undecided([without], alpha=0.05, fewest=20) == 0


@pytest.mark.parametrize("is_ratio", [False, True])
def test_verdicts_on_the_margin_are_those_of_the_limits(is_ratio: bool) -> None:
    margin = 2.0 if is_ratio else 0.1
    rng = np.random.default_rng(4)
    for rate in (0.05, 0.1, 0.5):
        first, second = (
            observed((rng.random(400) < rate).astype(float)),
            observed((rng.random(400) < 0.1).astype(float)),
        )
        gap = GapSoFar(first, second, margin, is_ratio)
        least, most = (1 / margin, margin) if is_ratio else (-margin, margin)
        low, high = gap.limits(0.05)
        assert gap.exceeds(np.log(2 / 0.05)) == (low > most or high < least)
        low, high = gap.limits(0.1)
        assert gap.lies_within(np.log(1 / 0.05)) == (least < low and high < most)


@short_and_full("audits", 8, 2000)
@pytest.mark.parametrize(
    ("sizes", "margin", "is_ratio", "rate"), [((120, 120), 0.02, False, 0.1), ((90, 40, 30), 2.0, True, 0.3)]
)
def test_audits_that_stop_when_all_gaps_of_two_groupings_are_decided_find_none_where_there_is_none(
    audits: int, sizes: tuple[int, ...], margin: float, is_ratio: bool, rate: float
) -> None:
    rng, wrong = np.random.default_rng(5), 0
    for _ in range(audits):
        first = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
        second = rng.integers(0, 2, len(first))
        images = 1 + rng.integers(0, 3, len(first))
        people = np.repeat(np.arange(len(first)), images)
        errors = rng.random(len(people)) < rng.beta(4 * rate, 4 * (1 - rate), len(first))[people]  # correlation 0.2
        for end in range(25, len(first) + 1, 25):
            families = [
                FamilySoFar(
                    observed_by_group(errors, people < end, people, groups[people], count),
                    np.ones(count, np.bool_),
                    margin,
                    is_ratio,
                )
                for groups, count in ((first, len(sizes)), (second, 2))
            ]
            said = verdicts_so_far(gaps_of(families), alpha=0.05)
            if (said.differs | said.beyond).any():
                wrong += 1
                break
            if not (said.verdict == "not enough data").any():
                break
    assert wrong <= 0.05 * audits + (1 if audits < 100 else 0)
