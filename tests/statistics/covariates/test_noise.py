"""A stated reliability marks a gap as attenuated."""

from __future__ import annotations

import pytest

from facegap.errors import StatisticsError
from facegap.statistics.covariates.noise import is_attenuated


def test_one_noisy_covariate_among_others_marks_the_gap():
    assert is_attenuated([1.0, 0.9])
    assert not is_attenuated([1.0, 0.95])
    assert not is_attenuated([])


@pytest.mark.parametrize("wrong", [0.0, 1.2, float("nan")])
def test_a_reliability_is_a_proportion(wrong):
    with pytest.raises(StatisticsError, match="above 0 and at most 1"):
        is_attenuated([wrong])
