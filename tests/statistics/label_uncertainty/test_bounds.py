"""Gaps if wrong labels coincide with model errors: worked by hand, against all relabellings, and in simulations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import StatisticsError
from facegap.statistics.clusters import clustered_rates
from facegap.statistics.gap_families import GapFamily
from facegap.statistics.gaps import gap_family
from facegap.statistics.label_uncertainty.bounds import (
    CERTAINTY,
    BoundColumns,
    ExpectedLabels,
    label_bounds,
    wrong_at_most,
)
from facegap.types import Scale
from facegap.worlds.hard_images import HardImages, hard_image_worlds

GROUPS = ("a", "b")


def bounded(
    errors: tuple[int, int], trials: tuple[int, int], wrong: float, scale: Scale = "difference", verdict: str = ""
) -> tuple[GapFamily, BoundColumns]:
    """One trial per person."""
    erred = np.concatenate([np.arange(n) < x for x, n in zip(errors, trials, strict=True)]).astype(int)
    return of_labels(erred, np.repeat([0, 1], trials), wrong, scale, verdict)


def of_labels(
    erred: np.ndarray, labels: np.ndarray, wrong: float, scale: Scale = "difference", verdict: str = ""
) -> tuple[GapFamily, BoundColumns]:
    rates = clustered_rates(erred, None, np.arange(len(erred)), labels, n_cells=2)
    sizes = rates.errors, rates.trials, rates.subjects, rates.effective_trials
    margin = {"difference": 0.02, "ratio": 2.0}[scale]
    family = gap_family(GROUPS, *sizes, margin=margin, scale=scale, minimum_subjects=1)
    said = np.array([verdict]) if verdict else family.columns.verdict
    return family, label_bounds(family, GROUPS, rates, np.full((2, 2), wrong), said)


def test_ten_wrong_labels_on_the_errors_move_thirty_against_ten_to_twenty_against_twenty() -> None:
    _, found = bounded((30, 10), (100, 100), 10)
    assert found.label_bound_low[0] == pytest.approx(20 / 90 - 20 / 110)  # ten errors of a are of b
    assert found.label_bound_high[0] == pytest.approx(40 / 110 - 0 / 90)  # all ten errors of b are of a
    _, ratio = bounded((30, 10), (100, 100), 10, "ratio")
    assert ratio.label_bound_low[0] == pytest.approx((20 / 90) / (20 / 110))
    assert np.isinf(ratio.label_bound_high[0])


def test_without_a_wrong_label_the_bound_is_the_gap_and_the_verdict_holds() -> None:
    for errors in ((30, 10), (10, 10), (0, 3)):
        for scale in ("difference", "ratio"):
            family, found = bounded(errors, (100, 100), 0.0, scale)
            plain = family.columns
            own = plain.ratio if scale == "ratio" else plain.difference
            np.testing.assert_array_equal(found.label_bound_low, own)
            np.testing.assert_array_equal(found.label_bound_high, own)
            assert found.label_holds[0]
            np.testing.assert_array_equal(found.verdict, plain.verdict)
            np.testing.assert_allclose(found.decided_low, plain.decided_low)
            np.testing.assert_allclose(found.decided_high, plain.decided_high)


def test_an_unknown_number_of_wrong_labels_bounds_nothing_and_carries_no_verdict() -> None:
    _, found = bounded((60, 10), (100, 100), np.nan)
    assert np.isnan(found.label_bound_low[0])
    assert np.isnan(found.label_bound_high[0])
    assert not found.label_holds[0]
    assert found.verdict[0] == "not enough data"


def test_a_gap_under_the_bound_stands_beside_an_interval_without_no_difference() -> None:
    family, found = bounded((300, 30), (1000, 1000), 40)
    assert family.columns.verdict[0] == "gap larger than the margin"
    assert found.label_holds[0]
    assert found.decided_low[0] > 0.02
    _, lost = bounded((300, 240), (1000, 1000), 40)
    assert not lost.label_holds[0]
    assert lost.verdict[0] == "not enough data"
    assert lost.decided_low[0] <= 0 <= lost.decided_high[0]


def test_none_larger_than_the_margin_needs_the_whole_bound_inside_it() -> None:
    family, few = bounded((1_000, 1_000), (20_000, 20_000), 10)
    assert family.columns.verdict[0] == "no gap larger than the margin"
    assert few.label_holds[0]
    assert not bounded((1_000, 1_000), (20_000, 20_000), 800)[1].label_holds[0]


def test_a_verdict_that_counts_more_in_than_the_labels_is_never_strengthened() -> None:
    _, found = bounded((300, 30), (1000, 1000), 10, verdict="not enough data")
    assert found.verdict[0] == "not enough data"


@given(
    errors=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    right=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    wrong=st.integers(0, 3),
)
def test_no_relabelling_of_so_many_people_goes_beyond_the_bound(
    errors: tuple[int, int], right: tuple[int, int], wrong: int
) -> None:
    trials = errors[0] + right[0], errors[1] + right[1]
    _, found = bounded(errors, trials, wrong)
    gaps = []
    for moved in product(range(wrong + 1), repeat=4):  # errors and correct trials of a, then of b
        if sum(moved) > wrong or any(
            m > h for m, h in zip(moved, (errors[0], right[0], errors[1], right[1]), strict=True)
        ):
            continue
        sizes = (
            trials[0] - moved[0] - moved[1] + moved[2] + moved[3],
            trials[1] + moved[0] + moved[1] - moved[2] - moved[3],
        )
        if min(sizes) > 0:
            gaps.append((errors[0] - moved[0] + moved[2]) / sizes[0] - (errors[1] + moved[0] - moved[2]) / sizes[1])
    if min(trials) > wrong:
        assert found.label_bound_low[0] <= min(gaps) + 1e-9
        assert found.label_bound_high[0] >= max(gaps) - 1e-9
        assert min(gaps) == pytest.approx(
            found.label_bound_low[0], abs=0.05
        )  # and the bound is reached, up to whole people


def test_probabilities_say_how_many_labels_may_be_wrong() -> None:
    # 10 of the 100 labelled a and 4 of the 50 labelled b belong to the other; of c, 2 to a and 1 to b.
    expected = np.array([[90.0, 10.0, 0.0], [4.0, 46.0, 0.0], [2.0, 1.0, 27.0]])
    labels = ExpectedLabels(np.array([100.0, 50.0, 30.0]), expected, np.zeros((3, 3)))
    found = wrong_at_most(labels)
    assert found[0, 1] == found[1, 0] == pytest.approx(10 + 4 + 2 + 1)
    assert found[0, 2] == pytest.approx(10 + 3 + 4)  # b's four into a; none of b into c
    scattered = wrong_at_most(ExpectedLabels(labels.trials, expected, np.diag([9.0, 16.0, 0.0])))
    assert scattered[0, 1] == pytest.approx(17 + CERTAINTY * 5)


def test_fewer_than_no_wrong_labels_are_refused() -> None:
    with pytest.raises(StatisticsError, match="a number of wrong labels is negative"):
        bounded((3, 1), (10, 10), -1.0)


def test_where_labels_err_with_the_model_the_bound_keeps_false_alarms_down() -> None:
    setting = HardImages(people=600)
    worlds = hard_image_worlds(setting, 100, np.random.default_rng(11))
    wrong = (worlds.label != worlds.truth).mean()
    plain = under_bound = 0
    for erred, label in zip(worlds.wrong, worlds.label, strict=True):
        family, found = of_labels(erred.astype(int), label, float(wrong) * label.size)
        plain += family.columns.verdict[0] in ("gap", "gap larger than the margin")
        under_bound += found.verdict[0] in ("gap", "gap larger than the margin")
    assert plain > 40
    assert under_bound <= 5
