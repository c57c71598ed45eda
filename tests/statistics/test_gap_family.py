"""All gaps of a family: rows worked by hand, excluded groups, verdicts, order, and cells that share subjects."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.errors import StatisticsError
from facegap.statistics import gap_difference, gap_family, gap_ratio, holm
from facegap.types import Gap

MARGINS = {"difference": 0.02, "ratio": 2.0}


def family(rows, scale="difference", **settings):
    """rows of name, errors, trials, subjects; trials are independent."""
    names, errors, trials, subjects = zip(*rows, strict=True)
    return gap_family(
        names,
        errors,
        trials,
        subjects,
        np.array(trials, float),
        scale=scale,
        **({"margin": MARGINS.get(scale, 0.5)} | settings),
    )


THREE = [("a", 56, 70, 70), ("b", 48, 80, 80), ("c", 5, 56, 56)]


def test_three_groups_have_three_gaps_with_both_intervals():
    found = family(THREE, metric="error_rate_all", model="m", threshold=0.5, family="tone")
    rows = found.rows()
    assert [(row.group_a, row.group_b) for row in rows] == [("a", "b"), ("a", "c"), ("b", "c")]
    first = rows[0]
    assert isinstance(first, Gap)
    assert (first.metric, first.model, first.threshold, first.family) == ("error_rate_all", "m", 0.5, "tone")
    assert first.difference == pytest.approx(0.2)
    assert (first.difference_low, first.difference_high) == pytest.approx(gap_difference(56, 70, 48, 80))
    assert first.ratio == pytest.approx(0.8 / 0.6)
    assert (first.ratio_low, first.ratio_high) == pytest.approx(gap_ratio(56, 70, 48, 80))
    assert (first.errors_a, first.trials_b, first.subjects_b) == (56, 80, 80)
    assert [row.p_adjusted for row in rows] == pytest.approx(holm(np.array([row.p for row in rows])))
    assert {type(getattr(first, f.name)) for f in fields(Gap)} == {str, int, float, bool}


def test_p_is_where_the_difference_reaches_zero_and_the_ratio_one():
    row = family(THREE[:2]).rows()[0]
    assert gap_difference(56, 70, 48, 80, level=1 - row.p)[0] == pytest.approx(0, abs=1e-9)
    assert gap_ratio(56, 70, 48, 80, level=1 - row.p)[0] == pytest.approx(1)
    assert family(THREE[:2], scale="ratio").rows()[0].p == row.p
    assert row.verdict == "gap larger than the margin"  # the interval at 95% ends beyond 2 points


def test_worst_against_best_marks_a_row_and_adds_none():
    found = family(THREE)
    assert (found.worst, found.best, len(found)) == ("a", "c", 3)
    assert found.rows()[found.worst_against_best].group_b == "c"


def test_a_group_under_the_minimum_is_named_and_takes_part_in_nothing():
    found = family([*THREE, ("tiny", 19, 19, 19)])
    assert found.left_out == ("tiny",)
    assert found.worst == "a"
    assert len(found) == 3
    assert [row.p_adjusted for row in found.rows()] == [row.p_adjusted for row in family(THREE).rows()]


@pytest.mark.parametrize("rows", [[], THREE[:1], [("x", 1, 9, 9), ("y", 1, 9, 9)]])
def test_fewer_than_two_groups_have_no_gap_and_no_worst(rows):
    rows = rows or [("tiny", 0, 1, 1)]
    found = family(rows)
    assert (len(found), found.worst, found.best, found.worst_against_best) == (0, "", "", -1)
    assert found.rows() == []


def test_equal_rates_name_no_worst_group():
    found = family([("a", 5, 100, 100), ("b", 5, 100, 100)])
    assert (found.worst, found.worst_against_best) == ("", -1)
    assert found.rows()[0].p == 1


def test_many_subjects_and_no_difference_are_within_the_margin():
    row = family([("a", 500, 10_000, 10_000), ("b", 505, 10_000, 10_000)]).rows()[0]
    assert (row.verdict, row.differs) == ("no gap larger than the margin", False)
    assert family([("a", 5, 100, 100), ("b", 6, 100, 100)]).rows()[0].verdict == "not enough data"


def test_a_small_true_gap_can_differ_and_still_be_within_the_margin():
    row = family([("a", 5000, 100_000, 100_000), ("b", 5500, 100_000, 100_000)]).rows()[0]
    assert (row.verdict, row.differs, row.within_margin) == ("no gap larger than the margin", True, True)


def test_false_match_rates_are_compared_by_ratio():
    rows = [("a", 1000, 1_000_000, 500), ("b", 2500, 1_000_000, 500)]
    found = family(rows, scale="ratio")
    assert (found.margin, found.is_ratio, found.rows()[0].verdict) == (2.0, True, "gap larger than the margin")
    assert family(rows).rows()[0].verdict == "no gap larger than the margin"


def test_no_errors_in_one_group_have_an_open_ratio_and_no_invented_number():
    names, errors, trials = ["a", "b"], [40, 0], [10_000, 8000]
    found = gap_family(names, errors, trials, [100, 90], [120.0, 45.0], margin=2.0, scale="ratio")
    row = found.rows()[0]
    assert (row.ratio, row.ratio_high, row.verdict) == (np.inf, np.inf, "not enough data")
    assert 0 < row.ratio_low < 1


def test_a_group_without_errors_borrows_the_design_effect_of_the_others_for_its_gap():
    counts = ["a", "b"], [223, 0], [11_175, 11_175], [150, 150]
    row = gap_family(*counts, [5000.0, 75.0], margin=2.0, scale="ratio").rows()[0]
    assert (row.difference_low, row.difference_high) == pytest.approx(gap_difference(223 / 2.235, 5000, 0, 5000))
    assert row.ratio_low == pytest.approx(gap_ratio(223 / 2.235, 5000, 0, 5000)[0])
    assert row.p < 1e-6
    assert row.subjects_needed < 5000  # planned with the group that has errors


def test_no_errors_anywhere_have_no_ratio_and_are_not_a_finding():
    row = family([("a", 0, 100, 100), ("b", 0, 100, 100)], scale="ratio").rows()[0]
    assert np.isnan([row.ratio, row.subjects_needed]).all()
    assert (row.p, row.verdict) == (1, "not enough data")


def test_a_rate_without_an_interval_gives_no_verdict_but_stays_in_the_family():
    found = gap_family(
        list("abc"), [10, 20, 30], [200] * 3, [100] * 3, [200.0, 200.0, np.nan], margin=0.02, scale="difference"
    )
    rows = found.rows()
    assert np.isnan([rows[1].p, rows[2].p]).all()
    assert rows[1].verdict == "not enough data"
    assert rows[0].p_adjusted == pytest.approx(min(1, 3 * rows[0].p))


def test_a_larger_family_asks_for_more_evidence():
    two = family(THREE[:2]).rows()[0]
    many = family([*THREE[:2], *((f"g{k}", 40, 70, 70) for k in range(8))]).rows()[0]
    assert many.p == two.p
    assert many.p_adjusted > two.p_adjusted
    assert many.subjects_needed > two.subjects_needed


def test_cells_that_share_subjects_are_not_compared_as_if_independent():
    correlation = np.array([[1.0, 0.6], [0.6, 1.0]])
    apart, shared = family(THREE[:2]).rows()[0], family(THREE[:2], correlation=correlation).rows()[0]
    assert shared.p < apart.p
    assert shared.difference_high - shared.difference_low < apart.difference_high - apart.difference_low
    assert shared.ratio_high / shared.ratio_low < apart.ratio_high / apart.ratio_low


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(60, 90)), min_size=2, max_size=6), st.booleans())
def test_turning_the_order_of_groups_turns_every_gap(counts, is_ratio):
    rows = [(f"g{k}", errors, trials, trials) for k, (errors, trials) in enumerate(counts)]
    scale = "ratio" if is_ratio else "difference"
    plain = {(r.group_a, r.group_b): r for r in family(rows, scale=scale).rows()}
    for turned in family(rows[::-1], scale=scale).rows():
        row = plain[turned.group_b, turned.group_a]
        assert turned.difference == pytest.approx(-row.difference)
        assert turned.difference_low == pytest.approx(-row.difference_high)
        assert turned.p_adjusted == pytest.approx(row.p_adjusted, abs=1e-9)
        assert turned.verdict == row.verdict


def test_the_family_keeps_the_margin_and_the_scale_that_it_was_given():
    for scale, margin in (("difference", 0.05), ("ratio", 1.5)):
        found = family(THREE, scale=scale, margin=margin)
        assert (found.margin, found.is_ratio) == (margin, scale == "ratio")
        assert [row.margin for row in found.rows()] == [margin] * 3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scale": "odds"}, "scale 'odds' is not known"),
        ({"scale": "ratio", "margin": 0.02, "metric": "fmr"}, "the margin of fmr is a ratio above 1"),
        ({"scale": "difference", "margin": 2.0}, "the margin is a difference between 0 and 1"),
        ({"alpha": 0.9}, "alpha"),
    ],
)
def test_settings_off_their_scale_are_refused(settings, said):
    with pytest.raises(StatisticsError, match=said):
        family(THREE, **settings)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([THREE[0], THREE[0]], "two groups of a family have the same name; give each group a unique name"),
        ([("a", 9, 5, 50), ("b", 1, 5, 50)], "9 errors in 5"),
    ],
)
def test_impossible_groups_are_refused(rows, said):
    with pytest.raises(StatisticsError, match=said):
        family(rows)
    with pytest.raises(StatisticsError, match="one each"):
        gap_family(["a"], [1], [2], [3], [1.0, 2.0], margin=0.02, scale="difference")


def test_the_minimum_counts_effective_people_and_not_heads():
    counts = (["women", "men"], [40, 10], [200, 200], [25, 25], [200.0, 200.0])
    heads = gap_family(*counts, margin=0.02, scale="difference")
    assert (len(heads), heads.left_out) == (1, ())
    people = gap_family(*counts, margin=0.02, scale="difference", effective_subjects=[20.0, 19.9])
    assert (len(people), people.left_out, people.worst) == (0, ("men",), "")


# ---- the deciding interval ----


def test_a_gap_larger_than_the_margin_is_decided_by_the_simultaneous_interval():
    row = family(THREE).rows()[1]  # .8 against .089, one of three gaps
    low, high = gap_difference(56, 70, 5, 56, level=1 - 0.05 / 3)
    assert low > 0.02
    assert (row.verdict, row.beyond_margin) == ("gap larger than the margin", True)
    assert (row.decided_low, row.decided_high) == pytest.approx((low, high))
    assert row.decided_level == pytest.approx(1 - 0.05 / 3)


def test_a_gap_of_the_other_sign_lies_beyond_the_margin_as_well():
    row = family([THREE[2], THREE[0]]).rows()[0]
    assert (row.verdict, row.decided_high < -0.02) == ("gap larger than the margin", True)
    ratio = family([("a", 1000, 1_000_000, 500), ("b", 2500, 1_000_000, 500)], scale="ratio").rows()[0]
    assert (ratio.verdict, ratio.decided_high < 1 / 2) == ("gap larger than the margin", True)


def test_a_gap_that_may_be_smaller_than_the_margin_is_a_gap():
    row = family([("a", 60, 1000, 1000), ("b", 30, 1000, 1000)]).rows()[0]
    assert (row.verdict, row.differs, row.beyond_margin, row.within_margin) == ("gap", True, False, False)
    assert 0 < row.decided_low < 0.02
    assert row.decided_level == pytest.approx(0.95)  # the only gap: Holm's step is alpha itself


def test_no_gap_larger_than_the_margin_is_decided_by_two_one_sided_tests():
    row = family([("a", 500, 10_000, 10_000), ("b", 505, 10_000, 10_000)]).rows()[0]
    low, high = gap_difference(500, 10_000, 505, 10_000, level=0.9)
    assert (row.decided_low, row.decided_high, row.decided_level) == pytest.approx((low, high, 0.9))


def test_holms_second_step_is_decided_at_its_own_level():
    rows = family([("a", 60, 1000, 1000), ("b", 30, 1000, 1000), ("c", 52, 1000, 1000)]).rows()
    order = sorted(rows, key=lambda row: row.p)
    assert order[0].decided_level == pytest.approx(1 - 0.05 / 3)
    assert order[1].decided_level == pytest.approx(1 - 0.05 / 2)
    assert order[1].verdict == "gap"  # its p times 2 is below 0.05
    assert order[1].decided_low > 0 or order[1].decided_high < 0
    assert order[2].verdict == "not enough data"
    assert order[2].decided_low <= 0 <= order[2].decided_high


def test_thirteen_times_as_many_errors_are_not_within_the_margin_of_a_ratio():
    rows = [("a", 130, 10_000, 10_000), ("b", 10, 10_000, 10_000)]  # 1.3% against 0.1%: a difference of 1.2 points
    by_points, by_ratio = family(rows).rows()[0], family(rows, scale="ratio").rows()[0]
    assert by_points.verdict == "no gap larger than the margin"
    assert by_ratio.verdict == "gap larger than the margin"
    assert by_ratio.ratio == pytest.approx(13)


COUNTS = st.tuples(st.integers(0, 60), st.integers(0, 400)).filter(lambda pair: sum(pair) >= 20)


@settings(deadline=None, max_examples=400)
@given(
    st.lists(COUNTS, min_size=2, max_size=5),
    st.sampled_from(["difference", "ratio"]),
    st.sampled_from([0.01, 0.05, 0.1]),
    st.floats(0.1, 1),
)
def test_the_interval_that_decided_says_what_the_verdict_says(counts, scale, alpha, share):
    errors, trials = np.array([e for e, _ in counts]), np.array([e + right for e, right in counts])
    names = [f"group {k}" for k in range(len(counts))]
    margin, none = (2.0, 1.0) if scale == "ratio" else (0.02, 0.0)
    least, most = (1 / margin, margin) if scale == "ratio" else (-margin, margin)
    found = gap_family(
        names, errors, trials, trials, np.maximum(trials * share, 1.0), margin=margin, scale=scale, alpha=alpha
    )
    of_one = alpha / len(found)
    for row in found.rows():
        low, high = row.decided_low, row.decided_high
        excludes = low > none or high < none
        assert row.decided_level <= 1 - of_one * (1 - 1e-9)
        if row.verdict == "gap larger than the margin":
            assert low > most or high < least
            assert row.decided_level == 1 - of_one
            assert row.differs
        elif row.verdict == "no gap larger than the margin":
            assert least < low <= high < most
            assert row.decided_level == 1 - 2 * of_one
        else:
            assert excludes == row.differs == (row.p_adjusted <= alpha)
            assert (row.verdict == "gap") == excludes


def test_at_p_of_alpha_exactly_the_interval_ends_beside_no_difference():
    counts = (["a", "b"], [60, 30], [1000, 1000], [1000, 1000], [1000.0, 1000.0])
    for scale, margin, none in (("difference", 0.5, 0.0), ("ratio", 10.0, 1.0)):
        p = gap_family(*counts, margin=margin, scale=scale).rows()[0].p
        row = gap_family(*counts, margin=margin, scale=scale, alpha=p).rows()[0]
        assert (row.differs, row.within_margin) == (True, True)  # the margin is wide: no difference at Holm's step
        narrow = gap_family(*counts, margin={0.5: 0.02, 10.0: 1.5}[margin], scale=scale, alpha=p).rows()[0]
        assert narrow.verdict == "gap"
        assert narrow.decided_low > none
        assert narrow.decided_low == pytest.approx(none, abs=1e-9)


def test_a_p_of_zero_is_decided_at_alpha_over_the_family():
    counts = (["a", "b", "c"], [900_000, 1000, 1000], [1_000_000] * 3, [1_000_000] * 3, [1e6, 1e6, 1e6])
    rows = gap_family(*counts, margin=0.95, scale="difference").rows()
    assert rows[0].p == 0
    assert rows[0].verdict == "no gap larger than the margin"
    rows = gap_family(*counts, margin=0.899, scale="difference").rows()
    assert (rows[0].p, rows[0].verdict) == (0, "gap")
    assert rows[0].decided_level == 1 - 0.05 / 3


def test_a_rate_without_an_interval_decides_nothing_and_has_no_interval():
    row = gap_family(["a", "b"], [4, 2], [30, 30], [30, 30], [np.nan, 30.0], margin=2.0, scale="ratio").rows()[0]
    assert row.verdict == "not enough data"
    assert np.isnan([row.decided_low, row.decided_high, row.decided_level]).all()
