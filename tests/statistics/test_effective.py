"""Distribution of trials over people."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.statistics.effective import columns_of, weights_of
from facegap.types import Rate


@given(st.integers(1, 300), st.integers(1, 10**12))
def test_equal_trials_give_the_head_count_to_the_last_bit(people, trials):
    found = weights_of(np.full(people, trials), np.zeros(people, int), n_cells=1)
    assert found.effective[0] == people
    assert found.units[0] == people
    assert found.largest[0] == pytest.approx(1 / people)


def test_one_person_with_half_of_the_trials_counts_by_hand():
    # 30 + 10 + 10 + 10: 60^2 / (900 + 300) = 3 effective people, one of them with half of the trials.
    found = weights_of([30, 10, 10, 10], np.zeros(4, int), n_cells=1)
    assert found.effective[0] == pytest.approx(3.0)
    assert found.largest[0] == pytest.approx(0.5)


def test_a_cell_without_trials_has_no_people_and_no_share():
    found = weights_of([5, 0], np.array([0, 1]), n_cells=3)
    assert found.units.tolist() == [1, 0, 0]
    assert found.effective.tolist() == [1.0, 0.0, 0.0]
    assert np.isnan(found.largest[1:]).all()


def test_heads_stand_in_where_effective_subjects_are_not_known():
    assert Rate(1, 10, subjects=7).people == 7
    assert Rate(1, 10, subjects=7, effective_subjects=3.5).people == 3.5
    assert columns_of([Rate(1, 10, subjects=7)], level=0.95).effective_subjects.tolist() == [7.0]
