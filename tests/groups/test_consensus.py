"""Median labels, disputes, and one annotator against the others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.groups.consensus import Even, consensus, differences_from_others, medians


def columns(*images: tuple[int, ...]) -> np.ndarray:
    """Codes [annotators, images] from the answers to each image."""
    return np.array(images).T


@pytest.mark.parametrize(("even", "expected"), [("lower", 3), ("upper", 4), ("none", -1)])
def test_a_median_between_two_labels_follows_the_rule_that_was_asked_for(even: Even, expected: int) -> None:
    found = consensus(columns((2, 5), (2, 4), (7, -1), (-1, -1)), 10, ordinal=True, even=even)
    assert found.codes.tolist() == [expected, 3, 7, -1]
    assert found.tied.tolist() == [True, False, False, False]
    assert found.answers.tolist() == [2, 2, 1, 0]
    assert found.spread.tolist() == [3, 2, 0, 0]


def test_three_annotators_outvote_one_outlier() -> None:
    assert consensus(columns((1, 1, 9)), 10, ordinal=True).codes.tolist() == [1]


def test_without_an_order_the_most_frequent_label_stands_and_a_tie_gives_none() -> None:
    found = consensus(columns((3, 3, 0), (0, 3, -1), (2, 2, 2)), 4, ordinal=False, even="upper")
    assert found.codes.tolist() == [3, -1, 2]
    assert found.tied.tolist() == [False, True, False]
    assert found.spread.tolist() == [1, 1, 0]


@settings(deadline=None)  # no deadline: the machine may be busy
@given(st.lists(st.lists(st.integers(-1, 9), min_size=4, max_size=4), min_size=1, max_size=12))
def test_medians_are_those_of_numpy(rows: list[list[int]]) -> None:
    codes = np.array(rows).T
    expected = [np.median([x for x in row if x >= 0]) if max(row) >= 0 else np.nan for row in rows]
    np.testing.assert_array_equal(medians(codes, 10), expected)


@settings(deadline=None)  # no deadline: the machine may be busy
@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=12))
def test_turning_the_scale_round_turns_the_consensus_round(rows: list[list[int]]) -> None:
    codes = np.array(rows).T[:2]  # two annotators: the case in which the rule applies
    lower = consensus(codes, 10, ordinal=True, even="lower").codes
    turned = consensus(9 - codes, 10, ordinal=True, even="upper").codes
    np.testing.assert_array_equal(9 - turned, lower)


def test_an_annotator_is_set_against_the_median_of_the_others() -> None:
    codes = columns((4, 2, 3), (4, 4, 4), (-1, 1, 1), (5, -1, -1))
    differences = differences_from_others(codes, 0, 10)
    assert differences[:2].tolist() == [1.5, 0.0]
    assert np.isnan(differences[2:]).all()
