"""The interval of a median over sampling units."""

from __future__ import annotations

import numpy as np
import pytest

from facegap.statistics.medians import clustered_median


def test_of_no_values_nothing_is_said_and_of_one_unit_no_interval() -> None:
    assert np.isnan(clustered_median(np.empty(0), np.empty(0, np.int64)).median)
    alone = clustered_median(np.arange(5.0), np.zeros(5, np.int64))
    assert (alone.median, alone.units) == (2.0, 1)
    assert np.isnan(alone.low)


def test_the_interval_by_hand() -> None:
    """100 single values: p has the standard deviation sqrt(0.25 / 99), so the ends are at 0.5 -+ 1.984 x 0.0503."""
    found = clustered_median(np.arange(100.0), np.arange(100))
    assert found.median == 49.5
    assert found.low == pytest.approx(99 * (0.5 - 1.9842 * 0.05025), abs=0.01)
    assert found.high == pytest.approx(99 - found.low)


def test_copies_of_a_value_are_no_further_units() -> None:
    once = clustered_median(np.arange(60.0), np.arange(60))
    thrice = clustered_median(np.repeat(np.arange(60.0), 3), np.repeat(np.arange(60), 3))
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.05)


def test_too_few_values_for_the_level_give_no_interval() -> None:
    assert np.isnan(clustered_median(np.arange(4.0), np.arange(4)).low)


def test_the_median_of_people_with_several_values_is_covered() -> None:
    rng, covered, units = np.random.default_rng(0), 0, np.repeat(np.arange(40), 3)
    for _ in range(300):
        found = clustered_median(0.7 * (rng.normal(size=40)[units] + rng.normal(size=120)), units)
        covered += found.low <= 0 <= found.high
    assert covered / 300 >= 0.92
