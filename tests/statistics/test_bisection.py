"""Bisection of many intervals at once gives bit-identical results to bisection of each alone."""

from __future__ import annotations

import numpy as np
import pytest

from facegap.statistics.bisection import FEW, bisected


def test_the_square_root_of_two_is_found_and_both_ends_hold_it() -> None:
    low, high = bisected(lambda x: x * x < 2, np.array([1.0]), np.array([2.0]), 51)
    assert low[0] <= np.sqrt(2) <= high[0]
    assert high[0] - low[0] == 2.0**-51


@pytest.mark.parametrize("shape", [(0,), (1,), (5,), (FEW,), (FEW + 1,), (3, 4), ()])
def test_several_halvings_at_once_end_where_one_after_the_other_does(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(sum(shape))
    root, low, high = rng.random(shape) * 37, np.zeros(shape), np.full(shape, 37.0)
    found = bisected(lambda x: np.asarray(x < root), low, high, 60)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = np.where(middle < root, middle, low), np.where(middle < root, high, middle)
    assert found[0].tobytes() == low.tobytes()
    assert found[1].tobytes() == high.tobytes()


def test_a_value_that_is_not_a_number_goes_down_everywhere() -> None:
    low, high = bisected(lambda x: np.asarray(x < np.nan), np.zeros(2), np.ones(2), 3)
    assert (low.tolist(), high.tolist()) == ([0, 0], [0.125, 0.125])
