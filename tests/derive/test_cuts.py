"""Thresholds by pair of folds: symmetric, and rejected if the record was edited."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facegap.derive.cuts import fold_cut, limits_of, lowest_of
from facegap.errors import RunError
from facegap.store.record import FoldThresholds

STATED = FoldThresholds(2, (0.3, 0.5, 0.4), (1, 1, 1), (9, 9, 9))  # folds 0 and 0, 0 and 1, 1 and 1
FOLDS = np.array([0, 1, 1])


def test_the_threshold_of_a_pair_is_that_of_both_folds_in_either_order() -> None:
    cut = fold_cut(STATED, FOLDS)
    rows = np.array([[0, 0], [0, 1], [1, 0], [1, 2]])
    assert np.array_equal(limits_of(cut, rows), [0.3, 0.5, 0.5, 0.4])
    assert lowest_of(cut) == 0.3
    assert (limits_of(0.7, rows), lowest_of(0.7)) == (0.7, 0.7)


@pytest.mark.parametrize("folds", [[0, 2, 1], [0, -1, 1]])
def test_folds_that_the_record_does_not_have_are_refused(folds: list[int]) -> None:
    with pytest.raises(RunError, match="column fold: not all from 0 to 1"):
        fold_cut(STATED, np.array(folds))


def test_a_number_of_thresholds_that_does_not_fit_is_refused() -> None:
    with pytest.raises(RunError, match="2 thresholds by folds, but 2 folds have 3"):
        fold_cut(replace(STATED, thresholds=(0.3, 0.4)), FOLDS)
