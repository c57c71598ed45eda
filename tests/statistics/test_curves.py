"""Thresholds, FMR, FNMR, EER: worked by hand, with ties, NaN, one class, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import det_curve, roc_auc_score

from facegap.errors import StatisticsError
from facegap.statistics import (
    accepted,
    area_under_roc,
    det_points,
    equal_error_rate,
    false_match_counts,
    false_non_match_counts,
    generalised_counts,
    generalised_rates,
    threshold_at_fmr,
)

coarse = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40)  # few values, so that ties are common


def test_a_score_equal_to_the_threshold_is_accepted():
    assert accepted([0.1, 0.5, 0.5, 0.9], [0.5, 0.50001, 0.0, 1.0]).tolist() == [3, 1, 4, 0]


def test_a_missing_score_is_no_comparison_in_the_raw_rates_and_a_rejection_in_the_generalised():
    impostor, genuine = [0.2, np.nan, 0.8], [0.9, np.nan, 0.1, 0.7]
    assert false_match_counts(impostor, 0.5) == (1, 2)
    assert false_non_match_counts(genuine, 0.5) == (1, 3)
    assert generalised_counts(impostor, genuine, 0.5) == ((1, 3), (2, 4))


def test_a_nan_threshold_is_refused():
    with pytest.raises(StatisticsError, match="NaN"):
        accepted([1.0], [np.nan])


def test_generalised_rates_with_roles_worked_by_hand():
    far, frr, gfar, gfrr = generalised_rates(0.01, 0.1, fta=0.2, fte=0.5)
    assert (far, frr) == pytest.approx((0.008, 0.28))
    assert (gfar, gfrr) == pytest.approx((0.004, 0.64))


def test_threshold_is_the_smallest_impostor_score_that_keeps_the_target():
    scores = np.arange(100) / 100
    choice = threshold_at_fmr(scores, 0.05)
    assert (choice.threshold, choice.false_matches, choice.allowed, choice.fmr) == (0.95, 5, 5, 0.05)


def test_ties_go_out_together_even_if_fewer_matches_are_left():
    choice = threshold_at_fmr([0.9, 0.8, 0.8, 0.8, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 0.3)
    assert (choice.threshold, choice.false_matches, choice.allowed) == (0.9, 1, 3)


def test_when_even_the_highest_tie_is_too_many_the_threshold_is_just_above_it():
    choice = threshold_at_fmr([0.8] * 10, 0.5)
    assert choice.threshold == np.nextafter(0.8, 1)
    assert choice.false_matches == 0


def test_target_zero_is_just_above_the_highest_and_target_one_accepts_all():
    assert threshold_at_fmr([0.1, 0.7], 0).threshold == np.nextafter(0.7, 1)
    assert threshold_at_fmr([0.1, 0.7], 1).threshold == 0.1


def test_three_thousandths_of_a_thousand_pairs_are_three_although_floats_say_less():
    assert threshold_at_fmr(np.arange(1000.0), 0.003).allowed == 3
    assert threshold_at_fmr(np.arange(1000.0), 0.029).allowed == 29


@pytest.mark.parametrize(("pairs", "least"), [(999, "1000"), (0, "1000")])
def test_too_few_pairs_for_a_target_say_how_many_are_needed(pairs, least):
    with pytest.raises(StatisticsError, match=f"needs at least {least} impostor pairs"):
        threshold_at_fmr(np.zeros(pairs), 0.001)


@pytest.mark.parametrize("target", [-0.1, 1.5, np.nan])
def test_a_target_that_is_no_rate_is_refused(target):
    with pytest.raises(StatisticsError, match="target"):
        threshold_at_fmr([0.5], target)


@given(coarse, st.floats(0.05, 1))
def test_the_target_is_never_exceeded_and_the_next_lower_score_would(scores, target):
    if target * len(scores) < 1:
        return
    choice = threshold_at_fmr(scores, target)
    assert accepted(scores, choice.threshold) == choice.false_matches <= target * len(scores) + 1e-9
    lower = [score for score in scores if score < choice.threshold]
    if lower:
        assert accepted(scores, max(lower)) > target * len(scores) - 1e-9


def test_eer_worked_by_hand_with_its_convention():
    # Between .4 and .6: impostor .7 of 3 is over, genuine .4 of 4 is under.
    found = equal_error_rate([0.4, 0.6, 0.8, 0.9], [0.1, 0.2, 0.7])
    assert (found.threshold, found.fmr, found.fnmr) == pytest.approx((0.5, 1 / 3, 1 / 4))
    assert found.value == pytest.approx(7 / 24)
    assert "midpoints" in found.convention


def test_eer_of_separated_scores_is_zero_and_of_one_score_a_coin():
    assert equal_error_rate([0.8, 0.9], [0.1]).value == 0
    assert equal_error_rate([0.5, 0.5], [0.5]).value == 0.5


@pytest.mark.parametrize(("genuine", "impostor"), [([], [0.1]), ([0.2], []), ([np.nan], [0.1])])
def test_one_kind_of_score_has_no_eer_and_no_area(genuine, impostor):
    assert np.isnan(equal_error_rate(genuine, impostor).value)
    assert np.isnan(area_under_roc(genuine, impostor))


def test_det_points_of_one_kind_have_nan_for_the_other():
    points = det_points([], [0.3, 0.3, 0.5])
    assert points.false_matches.tolist() == [3, 1, 0]
    assert np.isnan(points.fnmr).all()
    assert len(det_points([], []).thresholds) == 0


@given(coarse, coarse)
def test_det_points_go_from_accepting_all_to_rejecting_all_without_turning(genuine, impostor):
    points = det_points(genuine, impostor)
    assert (points.fmr[0], points.fnmr[0], points.fmr[-1], points.fnmr[-1]) == (1, 0, 0, 1)
    assert (np.diff(points.fmr) <= 0).all()
    assert (np.diff(points.fnmr) >= 0).all()


@settings(max_examples=25)
@given(coarse, coarse)
def test_det_points_agree_with_sklearn(genuine, impostor):
    truth, scores = np.r_[np.ones(len(genuine)), np.zeros(len(impostor))], np.r_[genuine, impostor]
    fpr, fnr, thresholds = det_curve(truth, scores)
    points = det_points(genuine, impostor)
    ours = {t: (m, n) for t, m, n in zip(points.thresholds, points.fmr, points.fnmr, strict=True)}
    for threshold, false_positive, false_negative in zip(thresholds, fpr, fnr, strict=True):
        if np.isfinite(threshold):
            assert ours[threshold] == pytest.approx((false_positive, false_negative))


@settings(max_examples=25)
@given(coarse, coarse)
def test_area_agrees_with_sklearn(genuine, impostor):
    truth, scores = np.r_[np.ones(len(genuine)), np.zeros(len(impostor))], np.r_[genuine, impostor]
    assert area_under_roc(genuine, impostor) == pytest.approx(roc_auc_score(truth, scores))


def test_the_equal_error_rate_of_fvc_is_the_middle_of_the_interval_where_the_errors_cross() -> None:
    # At 0.4 no genuine pair is rejected and one impostor of three matches; at 0.5 one of two is refused, and one of three matches.
    genuine, impostor = [0.4, 0.9], [0.1, 0.3, 0.5]
    fvc = equal_error_rate(genuine, impostor, convention="fvc")
    assert (fvc.value, fvc.threshold) == (pytest.approx(1 / 6), 0.4)
    assert (fvc.fmr, fvc.fnmr) == (pytest.approx(1 / 3), 0.0)
    assert fvc.convention.startswith("FVC2000")
    middle = equal_error_rate(genuine, impostor)  # closest between 0.4 and 0.5: one of three, one of two
    assert middle.value == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert middle.convention.startswith("least |FMR - FNMR|")


def test_where_the_errors_meet_both_conventions_agree() -> None:
    genuine, impostor = [0.4, 0.8, 0.9], [0.1, 0.3, 0.5]
    for convention in ("midpoint", "fvc"):
        assert equal_error_rate(genuine, impostor, convention=convention).value == pytest.approx(1 / 3)


@settings(max_examples=200, deadline=None)
@given(coarse, coarse)
def test_the_equal_error_rate_is_the_lowest_of_all_midpoints_at_which_both_rates_are_closest(
    genuine: list[float], impostor: list[float]
) -> None:
    distinct = np.unique([*genuine, *impostor])
    thresholds = (distinct[:-1] + distinct[1:]) / 2 if len(distinct) > 1 else distinct
    fmr = accepted(impostor, thresholds) / len(impostor)
    fnmr = 1 - accepted(genuine, thresholds) / len(genuine)
    best = int(np.argmin(np.abs(fmr - fnmr)))
    found = equal_error_rate(genuine, impostor)
    assert (found.threshold, found.fmr, found.fnmr) == (thresholds[best], fmr[best], fnmr[best])
    assert found.value == (fmr[best] + fnmr[best]) / 2


@settings(max_examples=200, deadline=None)
@given(coarse, coarse)
def test_the_equal_error_rate_of_fvc_is_that_of_every_observed_threshold(
    genuine: list[float], impostor: list[float]
) -> None:
    points = det_points(genuine, impostor)
    fmr, fnmr = points.fmr, points.fnmr
    last, first = int(np.flatnonzero(fnmr <= fmr)[-1]), int(np.flatnonzero(fnmr >= fmr)[0])
    chosen = last if fnmr[last] + fmr[last] <= fmr[first] + fnmr[first] else first
    found = equal_error_rate(genuine, impostor, convention="fvc")
    assert (found.threshold, found.fmr, found.fnmr) == (points.thresholds[chosen], fmr[chosen], fnmr[chosen])


def test_without_one_kind_of_score_no_convention_has_an_equal_error_rate() -> None:
    for convention in ("midpoint", "fvc"):
        assert np.isnan(equal_error_rate([], [0.1], convention=convention).value)
        assert np.isnan(equal_error_rate([0.4], [], convention=convention).value)


def test_scores_that_part_the_kinds_have_no_equal_error() -> None:
    assert equal_error_rate([0.8, 0.9], [0.1, 0.2], convention="fvc").value == 0
