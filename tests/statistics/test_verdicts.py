"""Holm, verdicts and the number of subjects needed for a verdict."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from facegap.statistics import holm, subjects_needed, verdicts
from facegap.statistics.verdicts import BEYOND, GAP, UNKNOWN, WITHIN, stricter


def test_holm_worked_by_hand():
    assert holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])


def test_a_test_that_could_not_be_made_still_counts_in_the_family():
    adjusted = holm(np.array([0.01, np.nan, 0.03]))
    assert adjusted[[0, 2]] == pytest.approx([0.03, 0.06])
    assert np.isnan(adjusted[1])
    assert len(holm(np.array([]))) == 0


@settings(max_examples=15)  # statsmodels takes 60 ms per call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_agrees_with_statsmodels(p):
    assert holm(np.array(p)) == pytest.approx(multipletests(p, method="holm")[1])


def test_beyond_comes_first_then_inside_the_margin_then_gap_then_not_enough_data():
    found = verdicts(
        beyond_margin=np.array([True, False, False, False, False]),
        within_margin=np.array([False, True, True, False, False]),
        differs=np.array([True, True, False, True, False]),
    )
    assert found.tolist() == [BEYOND, WITHIN, WITHIN, GAP, UNKNOWN]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (BEYOND, BEYOND, BEYOND),
        (BEYOND, GAP, GAP),
        (GAP, GAP, GAP),
        (WITHIN, WITHIN, WITHIN),
        (BEYOND, WITHIN, UNKNOWN),
        (GAP, WITHIN, UNKNOWN),
        (BEYOND, UNKNOWN, UNKNOWN),
        (GAP, UNKNOWN, UNKNOWN),
        (WITHIN, UNKNOWN, UNKNOWN),
        (UNKNOWN, UNKNOWN, UNKNOWN),
    ],
)
def test_the_stricter_of_two_verdicts_claims_less_and_a_contradiction_claims_nothing(first, second, said):
    assert stricter(np.array([first]), np.array([second])).tolist() == [said]
    assert stricter(np.array([second]), np.array([first])).tolist() == [said]


def test_subjects_needed_worked_by_hand():
    # z = 1.959964 + .841621; .05 against .07: z^2 (.0475 + .0651) / .0004 = 2209.5 trials, 3 per subject
    found = subjects_needed(np.array([0.05]), np.array([1 / 3]), 0.02, is_ratio=False, alpha=0.05)
    assert found[0] == math.ceil(2.801585**2 * (0.0475 + 0.0651) / 0.0004 / 3)
    # .01 against .02: z^2 (99 + 49) / log(2)^2
    found = subjects_needed(np.array([0.01]), np.array([1.0]), 2.0, is_ratio=True, alpha=0.05)
    assert found[0] == math.ceil(2.801585**2 * 148 / math.log(2) ** 2)


def test_a_ratio_cannot_be_planned_from_no_errors_but_a_difference_can():
    zero, one = np.array([0.0]), np.array([1.0])
    assert np.isnan(subjects_needed(zero, one, 2.0, is_ratio=True, alpha=0.05)[0])
    assert subjects_needed(zero, one, 0.02, is_ratio=False, alpha=0.05)[0] > 100
    assert np.isnan(subjects_needed(np.array([0.1]), np.array([np.inf]), 0.02, is_ratio=False, alpha=0.05)[0])


def test_the_number_of_subjects_asked_for_finds_the_margin_four_times_in_five():
    rng = np.random.default_rng(0)
    people = int(subjects_needed(np.array([0.1]), np.array([1.0]), 0.05, is_ratio=False, alpha=0.05)[0])
    a, b = rng.binomial(people, 0.1, 4000) / people, rng.binomial(people, 0.15, 4000) / people
    error = np.sqrt((a * (1 - a) + b * (1 - b)) / people)
    assert np.mean((b - a) / error > 1.96) == pytest.approx(0.8, abs=0.03)
