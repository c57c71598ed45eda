"""Gaps in joint cells of covariates: worked by hand, excluded cells, and against overlap weights with a smooth model."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from facegap.errors import StatisticsError
from facegap.statistics.covariates.balancing import Trials, balanced_gap
from facegap.statistics.covariates.cells import Alone, cell_gap


def people(errors: list[bool], group: list[bool]) -> Trials:
    return Trials(np.array(errors), np.array(group), np.arange(len(errors)), np.ones(len(errors)))


def test_by_hand_three_cells() -> None:
    """Cells 4+2, 3+3 and 2+4 have weights 8/6, 9/6 and 8/6; errors 2/4-1/2, 1/3-0/3 and 2/2-2/4 give 0, 1/3 and 1/2."""
    group = [True] * 4 + [False] * 2 + [True] * 3 + [False] * 3 + [True] * 2 + [False] * 4
    errors = [
        True,
        True,
        False,
        False,
        True,
        False,
        True,
        False,
        False,
        False,
        False,
        False,
        True,
        True,
        True,
        True,
        False,
        False,
    ]
    light = np.repeat([0.0, 1.0, 2.0], 6)[:, None]
    found = cell_gap(
        people(errors, group), light, scale="difference", level=0.95, replicates=50, rng=np.random.default_rng(0)
    )
    assert (found.cells, found.alone, found.comparable.all()) == (3, (), True)
    assert found.gap == pytest.approx((9 * (1 / 3) + 8 * 0.5) / 25)
    assert found.low < found.gap < found.high


def test_a_cell_of_one_group_is_left_out_and_named() -> None:
    group = [True] * 6 + [True, False] * 6
    found = cell_gap(
        people([False, True] * 9, group),
        np.repeat([0.0, 1.0, 2.0], 6)[:, None],
        scale="difference",
        level=0.95,
        replicates=50,
        rng=np.random.default_rng(0),
    )
    assert found.alone == (Alone((0,), 6, 0),)
    assert found.comparable.tolist() == [False] * 6 + [True] * 12


def test_without_a_common_cell_nothing_is_said_and_pairs_are_refused() -> None:
    trials = people([False, True] * 6, [True] * 6 + [False] * 6)
    apart = np.r_[np.zeros(6), np.ones(6)][:, None]
    how = {"scale": "difference", "level": 0.95, "replicates": 50, "rng": np.random.default_rng(0)}
    found = cell_gap(trials, apart, **how)  # type: ignore[arg-type]
    assert np.isnan(found.gap)
    assert found.reason == "no cell has comparable people of both groups"
    pairs = Trials(trials.errors, trials.in_group, trials.units, trials.weights, trials.units)
    with pytest.raises(StatisticsError, match="each trial needs one sampling unit and one finite number per covariate"):
        cell_gap(pairs, apart, **how)  # type: ignore[arg-type]


def test_cells_agree_with_a_smooth_model_on_people_and_leave_more_of_a_gap_that_goes_with_the_covariate() -> None:
    rng, smooth, coarse = np.random.default_rng(3), [], []
    for _ in range(30):
        group = np.arange(600) < 300
        dark, blur = rng.normal(size=600) + 0.8 * group, rng.normal(size=600)
        trials = Trials(rng.random(600) < expit(dark - 2.2), group, np.arange(600), np.ones(600))
        columns = np.stack([dark, blur], axis=1)
        smooth.append(balanced_gap(trials, columns, scale="difference", level=0.95, replicates=2, rng=rng).gap)
        coarse.append(cell_gap(trials, columns, scale="difference", level=0.95, replicates=2, rng=rng).gap)
    assert abs(np.mean(smooth)) < 0.015
    assert np.mean(smooth) < np.mean(coarse) < 0.05
    assert np.mean(np.abs(np.subtract(smooth, coarse))) < 0.05
