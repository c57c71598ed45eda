"""Tests of many families at once equal those of `gap_family` on one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.statistics import gap_family, holm
from facegap.statistics.family_tests import gap_tests


def test_holm_of_two_families_by_hand():
    adjusted = holm(np.array([[0.04, 0.01, 0.03], [0.2, np.nan, 0.5]]))
    assert adjusted[0] == pytest.approx([0.06, 0.03, 0.06])
    assert adjusted[1] == pytest.approx([0.6, np.nan, 1.0], nan_ok=True)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["ratio", "difference"]))
def test_every_family_among_many_has_the_results_it_would_have_alone(seed, scale):
    rng = np.random.default_rng(seed)
    trials = rng.integers(20, 400, (5, 4))
    errors = rng.binomial(trials, 0.1)
    first, second = np.triu_indices(4, 1)
    sides = (
        errors[:, first] / trials[:, first],
        trials[:, first].astype(float),
        errors[:, second] / trials[:, second],
        trials[:, second].astype(float),
    )
    margin = 2.0 if scale == "ratio" else 0.02
    many = gap_tests(sides, is_ratio=scale == "ratio", margin=margin, alpha=0.05)
    for world in range(5):
        one = gap_family(
            list("abcd"), errors[world], trials[world], trials[world], trials[world], margin=margin, scale=scale
        ).columns
        assert np.array_equal(many.p[world], one.p, equal_nan=True)
        assert np.array_equal(many.p_adjusted[world], one.p_adjusted, equal_nan=True)
        assert np.array_equal(many.differs[world], one.differs)
        assert np.array_equal(many.within_margin[world], one.within_margin)
