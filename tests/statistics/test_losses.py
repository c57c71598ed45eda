"""The worst and the best case of gaps over lost trials: worked by hand, as properties, and against all cases."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import StatisticsError
from facegap.statistics.clusters import clustered_rates
from facegap.statistics.gap_families import GapFamily
from facegap.statistics.gaps import gap_family
from facegap.statistics.losses import LossColumns, LossCounts, loss_columns
from facegap.types import Scale

GROUPS = ("a", "b")


def judged(
    errors: tuple[int, int],
    trials: tuple[int, int],
    lost: tuple[int, int],
    scale: Scale = "difference",
    *,
    by_person: bool = False,
) -> tuple[GapFamily, LossColumns]:
    """One trial per person; lost trials are not among the trials, as for rates of images with a prediction."""
    wrong = np.concatenate([np.arange(n) < x for x, n in zip(errors, trials, strict=True)]).astype(int)
    rates = clustered_rates(wrong, None, np.arange(len(wrong)), np.repeat([0, 1], trials), n_cells=2)
    margin = {"difference": 0.02, "ratio": 2.0}[scale]
    sizes = rates.errors, rates.trials, rates.subjects, rates.effective_trials
    family = gap_family(GROUPS, *sizes, margin=margin, scale=scale, minimum_subjects=1)
    least = np.array(errors)
    counts = LossCounts(np.array(trials) + lost, least, least + lost)
    return family, loss_columns(family, GROUPS, rates, counts, by_person=by_person)


def test_every_lost_image_of_one_group_in_error_and_none_of_the_other() -> None:
    family, case = judged((10, 5), (80, 95), (20, 5))
    assert family.columns.difference[0] == pytest.approx(10 / 80 - 5 / 95)
    assert case.loss_difference_low[0] == pytest.approx(10 / 100 - 10 / 100)
    assert case.loss_difference_high[0] == pytest.approx(30 / 100 - 5 / 100)
    assert case.loss_ratio_low[0] == pytest.approx(1.0)
    assert case.loss_ratio_high[0] == pytest.approx(6.0)
    assert (case.lost_a[0], case.lost_b[0]) == (20, 5)


def test_where_nothing_is_lost_the_cases_are_the_gap_to_the_last_bit() -> None:
    for errors in ((10, 5), (0, 5), (0, 0)):
        family, case = judged(errors, (80, 95), (0, 0))
        plain = family.columns
        for low, high, own in (
            (case.loss_difference_low, case.loss_difference_high, plain.difference),
            (case.loss_ratio_low, case.loss_ratio_high, plain.ratio),
        ):
            np.testing.assert_array_equal(low, own)
            np.testing.assert_array_equal(high, own)
        assert case.loss_stands.all()


def test_a_gap_of_a_model_that_refused_whom_it_would_have_failed_could_change() -> None:
    # 40 of 200 wrong against 10 of 200, and 60 of the better group are lost.
    family, case = judged((40, 10), (200, 200), (0, 60))
    assert family.columns.verdict[0] == "gap larger than the margin"
    assert case.loss_difference_low[0] < 0 < case.loss_difference_high[0]
    assert not case.loss_stands[0]


def test_a_gap_that_no_refusal_can_explain_stands() -> None:
    family, case = judged((200, 20), (400, 400), (4, 4))
    assert family.columns.verdict[0] == "gap larger than the margin"
    assert case.loss_stands[0]


def test_no_gap_could_become_one() -> None:
    family, case = judged((5, 5), (5_000, 5_000), (0, 300))
    assert family.columns.verdict[0] == "no gap larger than the margin"
    assert not case.loss_stands[0]
    assert judged((5, 5), (5_000, 5_000), (0, 1))[1].loss_stands[0]


def test_a_verdict_that_turns_round_does_not_stand() -> None:
    # Nine in ten of both groups are lost: either may be the worse one by far.
    assert not judged((30, 10), (100, 100), (900, 900), "ratio")[1].loss_stands[0]


@given(
    errors=st.tuples(st.integers(0, 20), st.integers(0, 20)),
    right=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    lost=st.tuples(st.integers(0, 6), st.integers(0, 6)),
)
def test_every_way_that_lost_trials_may_end_lies_between_the_cases(
    errors: tuple[int, int], right: tuple[int, int], lost: tuple[int, int]
) -> None:
    trials = errors[0] + right[0], errors[1] + right[1]
    _, case = judged(errors, trials, lost)
    for wrong in product(range(lost[0] + 1), range(lost[1] + 1)):
        rates: Any = [(errors[k] + wrong[k]) / (trials[k] + lost[k]) for k in (0, 1)]
        assert case.loss_difference_low[0] - 1e-12 <= rates[0] - rates[1] <= case.loss_difference_high[0] + 1e-12
        if rates[1]:
            assert case.loss_ratio_low[0] * (1 - 1e-12) <= rates[0] / rates[1] <= case.loss_ratio_high[0] * (1 + 1e-12)
    observed = errors[0] / trials[0] - errors[1] / trials[1]
    assert case.loss_difference_low[0] - 1e-12 <= observed <= case.loss_difference_high[0] + 1e-12


@pytest.mark.parametrize("lost", [(4, 4), (0, 4)])
def test_where_people_weigh_equally_no_case_is_known_and_no_verdict_stands(lost: tuple[int, int]) -> None:
    for errors in ((200, 20), (20, 12)):  # for a significant gap, and for one without enough data
        family, case = judged(errors, (400, 400), lost, by_person=True)
        assert family.columns.verdict[0] == ("gap larger than the margin" if errors[0] == 200 else "not enough data")
        ends = case.loss_difference_low, case.loss_difference_high, case.loss_ratio_low, case.loss_ratio_high
        assert np.isnan([end[0] for end in ends]).all()
        assert not case.loss_stands[0]
        assert (case.lost_a[0], case.lost_b[0]) == lost
    family, case = judged((200, 20), (400, 400), (0, 0), by_person=True)
    assert case.loss_stands[0]
    assert case.loss_difference_low[0] == family.columns.difference[0]


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(StatisticsError, match="least <= most <= trials"):
        LossCounts(np.array([10]), np.array([5]), np.array([4]))
