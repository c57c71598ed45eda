"""Rates "at FMR = x": the uncertainty of the threshold widens an interval, never narrows it, and cancels with full correlation."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.statistics.at_target import (
    TargetFactors,
    false_matches_at_target,
    false_non_matches_at_target,
    target_factors,
)
from facegap.types import Rate

RATE = Rate(10, 10_000, low=0.0005, high=0.002)
PROPORTIONS = st.floats(0.001, 0.999)


def test_arms_are_squared_and_added_on_the_log_scale() -> None:
    wide = false_matches_at_target(RATE, TargetFactors(down=0.5, up=2.0))
    factor = math.exp(math.sqrt(2) * math.log(2))  # both arms are a factor of 2
    assert (wide.low, wide.high) == pytest.approx((0.001 / factor, 0.001 * factor))
    assert (wide.errors, wide.trials, wide.value) == (10, 10_000, 0.001)
    assert "threshold uncertainty included" in wide.method


def test_factors_reach_from_the_target_to_both_ends_and_hold_one() -> None:
    assert target_factors(0.0005, 0.002, 0.001) == TargetFactors(0.5, 2.0)
    assert target_factors(0.0002, 0.0008, 0.001) == TargetFactors(1.0, 5.0)  # the interval ends below the target
    assert target_factors(0.0005, 0.002, [0.001, 0.0015]) == TargetFactors(0.5, 3.0)


def test_people_of_both_sets_let_the_threshold_cancel_for_everybody() -> None:
    own = false_matches_at_target(RATE, TargetFactors(0.5, 2.0), correlation=1.0)
    assert (own.low, own.high) == (RATE.low, RATE.high)


def test_false_non_matches_add_what_the_threshold_takes_and_gives() -> None:
    rate = Rate(10, 100, low=0.07, high=0.14)
    wide = false_non_matches_at_target(rate, lower=0.04, higher=0.03)
    assert (wide.low, wide.high) == pytest.approx((0.05, 0.15))  # 3-4-5 below, 4-3-5 above
    together = false_non_matches_at_target(rate, lower=0.04, higher=0.03, correlation=1.0)
    assert (together.low, together.high) == pytest.approx((0.03, 0.17))  # fully correlated errors add up


def test_rates_without_errors_or_without_trials_stay_as_they_are() -> None:
    for rate in (Rate(0, 100, low=0.0, high=0.1), Rate(100, 100, low=0.9, high=1.0), Rate(0, 0)):
        assert false_matches_at_target(rate, TargetFactors(0.5, 2.0)) is rate
    assert false_non_matches_at_target(Rate(0, 0), lower=0.1, higher=0.1) == Rate(0, 0)


@given(PROPORTIONS, PROPORTIONS, PROPORTIONS, st.floats(0.01, 1), st.floats(1, 100), st.floats(-1, 1))
def test_an_interval_never_narrows_and_stays_a_proportion(
    one: float, two: float, three: float, down: float, up: float, correlation: float
) -> None:
    low, value, high = sorted((one, two, three))
    rate = Rate(round(1e6 * value), 1_000_000, low=low, high=max(high, round(1e6 * value) / 1e6))
    for wide in (
        false_matches_at_target(rate, TargetFactors(down, up), correlation=correlation),
        false_non_matches_at_target(rate, lower=1 - down, higher=down, correlation=max(correlation, 0.0)),
    ):
        assert 0 <= wide.low <= rate.low + 1e-9
        assert rate.high - 1e-9 <= wide.high <= 1
