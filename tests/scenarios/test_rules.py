"""Scenarios solved by hand, and properties that hold for any rates."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.errors import StatisticsError, TableError
from facegap.scenarios.group_rates import EVERYBODY, Measured, measured_rates
from facegap.scenarios.payment import pairs_needed, payment, payment_answer
from facegap.scenarios.quantities import Answer, Line, Quantity, carried, spread
from facegap.scenarios.rules import (
    SCENARIOS,
    attributes,
    checkpoint,
    kiosk,
    registration,
    unlock,
    watchlist,
)
from facegap.statistics.intervals import clopper_pearson
from facegap.types import Group, Rate

FEMALE, MALE = (Group((("gender", name),)) for name in ("female", "male"))
GENDERS = (FEMALE, MALE)


def rate(errors: int, trials: int, low: float, high: float, subjects: int = 40) -> Rate:
    """A rate with a given interval."""
    return Rate(errors, trials, subjects, float(trials), low, high, 0.95, "by hand")


HAND = Measured(
    groups=GENDERS,
    own={
        ("fmr", FEMALE): rate(4, 1000, 0.002, 0.008),
        ("fmr", MALE): rate(1, 1000, 0.0005, 0.003),
        ("fnmr", FEMALE): rate(10, 100, 0.05, 0.2),
        ("fnmr", MALE): rate(5, 100, 0.02, 0.1),
        ("gfrr", FEMALE): rate(20, 100, 0.1, 0.3),
        ("gfrr", MALE): rate(10, 100, 0.04, 0.2),
        ("gfar", FEMALE): rate(3, 1000, 0.001, 0.006),
        ("gfar", MALE): rate(0, 1000, 0.0, 0.004),
        ("error_rate_answered", FEMALE): rate(9, 90, 0.05, 0.18),
        ("error_rate_answered", MALE): rate(2, 100, 0.01, 0.07),
        ("error_rate_all", FEMALE): rate(19, 100, 0.12, 0.28),
        ("error_rate_all", MALE): rate(2, 100, 0.01, 0.07),
        ("age_false_positive", FEMALE): rate(12, 100, 0.07, 0.2),
        ("age_false_positive", MALE): rate(3, 100, 0.01, 0.08),
        ("age_false_negative", FEMALE): rate(40, 200, 0.15, 0.26),
        ("age_false_negative", MALE): rate(20, 200, 0.07, 0.15),
        ("fta", FEMALE): rate(10, 100, 0.05, 0.18),
        ("fta", MALE): rate(0, 100, 0.0, 0.04),
    },
    across={(FEMALE, MALE): rate(2, 1000, 0.001, 0.004)},
    threshold=0.5,
    threshold_from="given",
)


def line(answer: Answer, name: str) -> Line:
    """The line of a group."""
    return next(entry for entry in answer.lines if entry.name == name)


def ends(cell: Quantity | str) -> tuple[float, float, float]:
    """Value, low and high."""
    assert isinstance(cell, Quantity)
    return cell.value, cell.low, cell.high


# ---- watchlist ----


def test_a_crowd_of_two_hundred_against_two_entries_is_as_worked_by_hand() -> None:
    answer = watchlist(HAND, people=200, entries=2)
    chance, stops, *said = line(answer, "female").cells
    # 1 - 0.996 * 0.998; at the low ends 1 - 0.998 * 0.999, at the high ends 1 - 0.992 * 0.996
    assert ends(chance) == pytest.approx((0.005992, 0.002998, 0.011968))
    assert ends(stops) == pytest.approx((0.5992, 0.2998, 1.1968))
    assert said == ["not stated", "not stated"]
    assert ends(line(answer, "male").cells[1]) == pytest.approx((0.2998, 0.14995, 0.6988))
    assert ends(answer.lines[-1].cells[1]) == pytest.approx((0.899, 0.44975, 1.8956))


def test_the_probability_of_a_correct_stop_is_the_proportion_of_matched_listed_people() -> None:
    answer = watchlist(HAND, people=200, entries=2, listed_share=0.005)  # one listed person, half of each group
    _, false, right, share = line(answer, "female").cells
    assert ends(false) == pytest.approx((99.5 * 0.005992, 99.5 * 0.002998, 99.5 * 0.011968))
    assert ends(right) == pytest.approx((0.5 * 0.9, 0.5 * 0.8, 0.5 * 0.95))
    low, high = 0.4 / (0.4 + 99.5 * 0.011968), 0.475 / (0.475 + 99.5 * 0.002998)
    assert ends(share) == pytest.approx((0.45 / (0.45 + 99.5 * 0.005992), low, high))


def test_the_default_crowd_is_sixty_thousand_against_a_thousand_in_equal_shares() -> None:
    answer = watchlist(HAND)
    assert [entry.people for entry in answer.lines] == [30_000, 30_000, 60_000]
    assert ends(line(answer, "female").cells[0])[0] == pytest.approx(1 - 0.996**500 * 0.998**500)


def test_groups_without_an_entry_do_not_matter_and_groups_without_people_are_not_stopped() -> None:
    answer = watchlist(HAND, people=100, entries=1, people_of={"female": 1}, entries_of={"female": 1})
    assert ends(line(answer, "female").cells[1]) == pytest.approx((0.4, 0.2, 0.8))
    assert ends(line(answer, "male").cells[1]) == (0, 0, 0)
    assert line(answer, "male").people == 0


def test_false_stops_are_unknown_for_a_group_that_was_never_compared() -> None:
    alone = Measured(GENDERS, HAND.own)  # no cross-group matrix
    answer = watchlist(alone, people=200, entries=2)
    assert all(math.isnan(number) for entry in answer.lines for number in ends(entry.cells[1]))
    assert any("never compared" in sentence for sentence in answer.assumptions)
    assert not any("never compared" in sentence for sentence in watchlist(HAND).assumptions)
    one_sided = watchlist(alone, people=200, entries=2, entries_of={"female": 1})
    assert ends(line(one_sided, "female").cells[1])[0] == pytest.approx(100 * (1 - 0.996**2))
    assert math.isnan(ends(line(one_sided, "male").cells[1])[0])


def test_no_stop_is_correct_if_no_listed_person_passes() -> None:
    answer = watchlist(HAND, people=200, entries=2, listed_share=0)
    assert all(ends(entry.cells[2]) == ends(entry.cells[3]) == (0, 0, 0) for entry in answer.lines)


def test_without_fnmr_correct_stops_are_unknown_but_false_stops_are_not() -> None:
    answer = watchlist(
        Measured(GENDERS, {k: v for k, v in HAND.own.items() if k[0] == "fmr"}, HAND.across),
        people=200,
        entries=2,
        listed_share=0.005,
    )
    assert ends(answer.lines[-1].cells[1])[0] > 0
    assert all(math.isnan(ends(cell)[0]) for cell in answer.lines[-1].cells[2:])


def test_an_empty_list_stops_no_one() -> None:
    assert ends(watchlist(HAND, entries=0).lines[-1].cells[1]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"listed_share": 0.02}, r"makes 600 listed people of group female, but 30000 of that group pass and 500 are"),
        ({"listed_share": 1.5}, "not a proportion from 0 to 1"),
        ({"people_of": {"female": 0.5}}, "the crowd: the proportions add up to 0.5; they must add up to 1"),
        ({"entries_of": {"woman": 1}}, "the list: no group 'woman'; there are female, male"),
        ({"entries_of": {"female": 1.5, "male": -0.5}}, "female = 1.5 is not a proportion"),
        ({"people": -1}, "not a number of people"),
        ({"entries": math.inf}, "not a number of people"),
        ({"listed_share": 0.001, "people_of": {"female": 1.0}}, "of group male, but 0 of that group pass"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        watchlist(HAND, **options)  # type: ignore[arg-type]


def test_a_run_without_known_labels_has_no_people_to_count() -> None:
    with pytest.raises(StatisticsError, match="no group has known labels throughout"):
        watchlist(Measured((), {}))


def test_groups_with_equal_spelling_have_no_proportions_by_name() -> None:
    twins = [Group((("a", "x y"), ("b", "z"))), Group((("a", "x"), ("b", "y z")))]
    assert spread(10, twins, None, what="the crowd") == [5, 5]
    with pytest.raises(StatisticsError, match="have the same spelling"):
        spread(10, twins, {"x y z": 1.0}, what="the crowd")


def test_the_bound_agrees_with_a_simulated_crowd_with_independent_comparisons() -> None:
    rng = np.random.default_rng(7)
    fmr = {(0, 0): 0.02, (0, 1): 0.01, (1, 1): 0.005}
    own = {("fmr", group): rate(round(1000 * fmr[k, k]), 1000, 0, 1) for k, group in enumerate(GENDERS)}
    answer = watchlist(Measured(GENDERS, own, {(FEMALE, MALE): rate(10, 1000, 0, 1)}), people=80_000, entries=30)
    for k, group in enumerate(GENDERS):
        matches = [rng.random((40_000, 15)) < fmr[min(k, h), max(k, h)] for h in range(2)]
        stopped = np.concatenate(matches, axis=1).any(axis=1).sum()
        assert stopped == pytest.approx(ends(line(answer, str(group)).cells[1])[0], rel=0.03)


def test_where_some_faces_are_easily_mistaken_the_bound_is_above_the_truth() -> None:
    rng = np.random.default_rng(8)
    of_person = rng.beta(0.05, 0.95, 20_000)  # false match probability of each person: 0.05 on average
    stopped = (rng.random((20_000, 20)) < of_person[:, None]).any(axis=1).mean()
    one = Measured((FEMALE,), {("fmr", FEMALE): rate(50, 1000, 0.04, 0.06)})
    bound = ends(watchlist(one, people=1, entries=20).lines[0].cells[0])[0]
    assert 0.05 < stopped < 0.5 * bound


# ---- unlock ----


def test_five_tries_are_compounded_and_one_try_is_the_rate_itself() -> None:
    one, five, strangers = line(unlock(HAND, tries=5), "female").cells
    assert ends(one) == (0.004, 0.002, 0.008)
    assert ends(five) == pytest.approx((1 - 0.996**5, 1 - 0.998**5, 1 - 0.992**5))
    assert ends(strangers) == pytest.approx((250, 125, 500))
    assert ends(line(unlock(HAND, tries=1), "male").cells[1]) == pytest.approx((0.001, 0.0005, 0.003))


def test_a_device_that_no_stranger_opened_has_a_lower_end_of_strangers_and_no_upper_one() -> None:
    none = Measured((FEMALE,), {("fmr", FEMALE): rate(0, 780, 0, 0.168)})
    assert ends(unlock(none).lines[0].cells[2]) == (math.inf, pytest.approx(1 / 0.168), math.inf)


def test_all_people_appear_once_next_to_the_groups() -> None:
    own = {**HAND.own, ("fmr", EVERYBODY): rate(7, 3000, 0.001, 0.004)}
    assert [entry.name for entry in unlock(Measured(GENDERS, own)).lines] == [
        "female",
        "male",
        "all people, regardless of group",
    ]
    assert len(unlock(Measured((EVERYBODY,), own)).lines) == 1


@pytest.mark.parametrize("tries", [0, -1, 1.5])
def test_tries_are_whole_and_at_least_one(tries: float) -> None:
    with pytest.raises(StatisticsError, match="a whole number of at least 1"):
        unlock(HAND, tries=tries)  # type: ignore[arg-type]


# ---- registration ----


def test_a_million_attempts_are_refused_and_a_thousand_impostors_pass_as_worked_by_hand() -> None:
    answer = registration(HAND)
    assert [ends(cell) for cell in line(answer, "female").cells] == [
        pytest.approx((100_000, 50_000, 150_000)),
        (500, 500, 500),
        pytest.approx((1.5, 0.5, 3.0)),
    ]
    assert [ends(cell) for cell in line(answer, "male").cells] == [
        pytest.approx((50_000, 20_000, 100_000)),
        (500, 500, 500),
        pytest.approx((0, 0, 2.0)),
    ]
    assert [ends(cell) for cell in answer.lines[-1].cells] == [
        pytest.approx((150_000, 70_000, 250_000)),
        (1000, 1000, 1000),
        pytest.approx((1.5, 0.5, 5.0)),
    ]


def test_impostors_have_the_same_proportions_as_genuine_people() -> None:
    answer = registration(HAND, people=100, people_of={"female": 0.25, "male": 0.75}, impostors=8)
    assert [entry.people for entry in answer.lines] == [25, 75, 100]
    assert [ends(entry.cells[1])[0] for entry in answer.lines] == [2, 6, 8]


# ---- payment ----


def test_one_in_a_million_needs_seven_million_people_and_forty_can_show_sixteen_per_cent() -> None:
    # (1 - p)^n <= 0.025 at p = 1e-6: n >= ln(0.025) / ln(1 - 1e-6) = 3688877.6
    assert pairs_needed(1e-6, 0.95) == 3_688_878
    none = Measured((FEMALE,), {("fmr", FEMALE): rate(0, 780, 0, 0.168, subjects=40)})
    measured, disjoint, limit, too_sure, needed, answer = payment(none).lines[0].cells
    assert ends(measured)[0] == 0
    assert (disjoint, needed, answer) == ("20", "7,377,756", "cannot be determined")
    assert ends(limit)[0] == pytest.approx(0.168433, abs=1e-6)  # 1 - .025^(1/20)
    assert ends(too_sure)[0] == pytest.approx(1 - 0.025 ** (1 / 780))


@pytest.mark.parametrize("target", [1e-6, 1e-4, 0.01, 0.168, 0.9])
def test_the_pairs_needed_are_the_fewest_that_suffice(target: float) -> None:
    needed = pairs_needed(target, 0.95)
    assert clopper_pearson(0, needed)[1] <= target
    assert needed == 1 or clopper_pearson(0, needed - 1)[1] > target


def test_the_rule_of_three_is_the_one_sided_limit() -> None:
    assert pairs_needed(1e-6, 0.90) == pytest.approx(3e6, rel=0.002)  # two-sided 90% is one-sided 95%


@pytest.mark.parametrize(
    ("rate_", "target", "answer"),
    [
        (rate(4, 1000, 0.002, 0.008), 1e-6, "above the target"),
        (rate(0, 780, 0.0, 0.168, subjects=40), 0.17, "at most the target"),
        (rate(0, 780, 0.0, 0.168, subjects=40), 0.16, "cannot be determined"),
        # A single false match among 780 pairs gives a short interval, but 20 disjoint pairs do not support it.
        (rate(1, 780, 0.0002, 0.0072, subjects=40), 0.01, "cannot be determined"),
        (rate(60, 780, 0.06, 0.2, subjects=40), 0.17, "cannot be determined"),
        (Rate(0, 0), 1e-6, "cannot be determined"),
        (rate(1, 1, math.nan, math.nan, subjects=2), 1e-6, "cannot be determined"),
    ],
)
def test_the_answer_is_never_stronger_than_the_data(rate_: Rate, target: float, answer: str) -> None:
    assert payment_answer(rate_, target) == answer


@pytest.mark.parametrize("target", [0, 1, -1e-6, math.nan])
def test_a_target_is_a_rate(target: float) -> None:
    with pytest.raises(StatisticsError, match="strictly between 0 and 1"):
        payment(HAND, target=target)


# ---- kiosk ----


def test_living_visitors_are_taken_for_attacks_by_the_rate_of_their_group() -> None:
    own = {("bpcer", FEMALE): rate(12, 400, 0.017, 0.05), ("bpcer", MALE): rate(0, 100, 0.0, 0.04)}
    answer = kiosk(
        Measured(GENDERS, {**own, ("fta", FEMALE): rate(10, 100, 0.05, 0.18)}), people_of={"female": 0.6, "male": 0.4}
    )
    refused, lost = zip(*(line.cells for line in answer.lines), strict=True)
    assert [cell.value for cell in refused] == pytest.approx([180, 0, 180])
    assert (refused[1].high, refused[2].high) == pytest.approx((160, 460))  # 0 of 100 is compatible with 4%
    assert [cell.value for cell in lost] == [
        pytest.approx(600),
        pytest.approx(math.nan, nan_ok=True),
        pytest.approx(math.nan, nan_ok=True),
    ]
    assert "APCER" in " ".join(answer.assumptions)


# ---- attributes ----


def test_ten_thousand_visitors_get_wrong_predictions_as_worked_by_hand() -> None:
    answer = attributes(HAND)
    assert answer.columns == (
        "no usable face (FTA)",
        "gender misclassified, of those answered",
        "gender misclassified or unanswered",
    )
    assert [ends(cell) for cell in line(answer, "female").cells] == [
        pytest.approx((500, 250, 900)),
        pytest.approx((500, 250, 900)),
        pytest.approx((950, 600, 1400)),
    ]
    assert [ends(cell)[0] for cell in answer.lines[-1].cells] == pytest.approx([500, 600, 1050])


# ---- rows of RATES ----


def rows_of(cells: Sequence[tuple[str, str, str, str, str, int, int]]) -> pd.DataFrame:
    """RATES from (metric, gender, race, other gender, other race, errors, trials)."""
    frame = pd.DataFrame(cells, columns=["metric", "gender", "race", "other_gender", "other_race", "errors", "trials"])
    return frame.assign(
        model="m",
        threshold=0.4,
        threshold_from="FMR 0.001, IN SAMPLE",
        subjects=4,
        effective_trials=1.0,
        low=0.1,
        high=0.2,
        level=0.9,
        method="x",
    )


ROWS = rows_of(
    [
        ("fmr", "any", "any", "", "", 9, 90),
        ("fmr", "female", "any", "", "", 4, 10),
        ("fmr", "male", "any", "", "", 1, 10),
        ("fmr", "unknown", "any", "", "", 1, 1),
        ("fmr", "any", "x", "", "", 2, 20),
        ("fmr", "female", "x", "", "", 1, 5),
        ("fnmr", "female", "any", "", "", 3, 10),
        ("fmr", "female", "any", "male", "any", 2, 10),
        ("fmr", "female", "x", "male", "x", 1, 7),
    ]
)


def test_rows_of_one_grouping_are_read_and_those_of_others_are_not() -> None:
    found = measured_rates(ROWS, ("gender", "race"), ("gender",))
    assert found.groups == GENDERS
    assert [str(group) for group in found.left_out] == ["unknown"]
    assert found.rate("fmr", FEMALE) == Rate(4, 10, 4, 1.0, 0.1, 0.2, 0.9, "x")
    assert found.rate("fmr", EVERYBODY).trials == 90
    assert found.between(MALE, FEMALE) == found.between(FEMALE, MALE)
    assert found.between(FEMALE, MALE).errors == 2
    assert found.between(MALE, MALE).errors == 1
    assert (found.threshold, found.threshold_from, found.in_sample) == (0.4, "FMR 0.001, IN SAMPLE", True)


def test_a_crossed_grouping_is_found_in_any_order_and_the_empty_one_is_all_people() -> None:
    crossed = measured_rates(ROWS, ("gender", "race"), ("race", "gender"))
    assert [str(group) for group in crossed.groups] == ["x female"]
    assert [(str(a), str(b), found.trials) for (a, b), found in crossed.across.items()] == [("x female", "x male", 7)]
    nothing = measured_rates(ROWS, ("gender", "race"), ())
    assert (nothing.groups, nothing.rate("fmr", EVERYBODY).errors) == ((EVERYBODY,), 9)


def test_missing_rates_are_nan_and_not_zero() -> None:
    found = measured_rates(ROWS, ("gender", "race"), ("gender",))
    assert math.isnan(found.rate("fnmr", MALE).value)
    assert math.isnan(found.rate("gfar", FEMALE).high)
    assert measured_rates(ROWS.iloc[:0], ("gender", "race"), ("gender",)).groups == ()


def test_two_rows_of_one_rate_are_refused() -> None:
    with pytest.raises(TableError, match="two rows for fmr against female"):
        measured_rates(pd.concat([ROWS, ROWS.iloc[1:2]]), ("gender", "race"), ("gender",))


# ---- any rates ----


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    """A rate with some interval around it."""
    trials = draw(st.integers(1, 10_000))
    errors = draw(st.integers(0, trials))
    value = errors / trials
    low, high = draw(st.floats(0, 1)) * value, value + draw(st.floats(0, 1)) * (1 - value)
    return rate(errors, trials, min(low, value), min(max(high, value), 1.0), draw(st.integers(2, 100)))


@st.composite
def worlds(draw: st.DrawFn) -> Measured:
    """Up to four groups with every rate that any scenario uses."""
    groups = tuple(Group((("g", name),)) for name in "abcd"[: draw(st.integers(1, 4))])
    metrics = ("fmr", "fnmr", "gfar", "gfrr", "fta", "error_rate_answered", "error_rate_all", "age_error_over_5")
    metrics += ("age_false_positive", "age_false_negative")
    own = {(metric, group): draw(rates()) for metric in metrics for group in groups}
    across = {(g, h): draw(rates()) for k, g in enumerate(groups) for h in groups[k + 1 :]}
    return Measured(groups, own, across)


FEW = settings(max_examples=25, deadline=None)  # each example runs a whole scenario
ALL_SCENARIOS = [(name, {"listed_share": 0.001} if name == "watchlist" else {}) for name in SCENARIOS]


@pytest.mark.parametrize(("name", "options"), ALL_SCENARIOS)
@FEW
@given(world=worlds())
def test_every_number_lies_between_its_ends(name: str, options: dict[str, float], world: Measured) -> None:
    for entry in SCENARIOS[name].answer(world, **options).lines:
        for cell in entry.cells:
            if isinstance(cell, Quantity) and not math.isnan(cell.value + cell.low + cell.high):
                assert 0 <= cell.low * (1 - 1e-12) <= cell.value * (1 + 1e-12)
                assert cell.value <= cell.high * (1 + 1e-12) + 1e-15
                assert cell.unit == "people" or cell.high <= 1


@pytest.mark.parametrize(("name", "options"), ALL_SCENARIOS)
@FEW
@given(world=worlds())
def test_the_order_of_the_groups_does_not_matter(name: str, options: dict[str, float], world: Measured) -> None:
    turned = Measured(
        world.groups[::-1], dict(reversed(world.own.items())), {(h, g): found for (g, h), found in world.across.items()}
    )
    there, back = (SCENARIOS[name].answer(measured, **options) for measured in (world, turned))
    assert {entry.name for entry in there.lines} == {entry.name for entry in back.lines}
    for entry in there.lines:
        for one, other in zip(entry.cells, line(back, entry.name).cells, strict=True):
            if isinstance(one, str):
                assert one == other
            else:
                assert ends(one) == pytest.approx(ends(other), rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("name", "columns"), [("watchlist", (1,)), ("registration", (0, 1, 2)), ("attributes", (0, 1, 2, 3))]
)
@FEW
@given(world=worlds())
def test_the_totals_are_the_sums_of_the_groups(name: str, columns: tuple[int, ...], world: Measured) -> None:
    *groups, everything = SCENARIOS[name].answer(world).lines
    assert sum(entry.people for entry in groups) == pytest.approx(everything.people)
    for k in columns:
        summed = np.sum([ends(entry.cells[k]) for entry in groups], axis=0)
        assert ends(everything.cells[k]) == pytest.approx(tuple(summed))


@FEW
@given(world=worlds(), more=st.floats(0, 1))
def test_more_false_matches_mean_more_false_stops_and_fewer_right_ones_among_them(world: Measured, more: float) -> None:
    def raised(found: Rate) -> Rate:
        errors = found.errors + int(more * (found.trials - found.errors))
        value = errors / found.trials
        return rate(errors, found.trials, found.low, max(found.high, value), found.subjects)

    worse = Measured(
        world.groups,
        {key: raised(found) if key[0] == "fmr" else found for key, found in world.own.items()},
        {key: raised(found) for key, found in world.across.items()},
    )
    before, after = (watchlist(measured, listed_share=0.001) for measured in (world, worse))
    for one, other in zip(before.lines, after.lines, strict=True):
        assert all(a <= b * (1 + 1e-12) for a, b in zip(ends(one.cells[1]), ends(other.cells[1]), strict=True))
        rights = [ends(entry.cells[3])[0] for entry in (one, other)]
        assert rights[1] <= rights[0] * (1 + 1e-12) or any(map(math.isnan, rights))


@FEW
@given(world=worlds(), tries=st.integers(1, 50))
def test_another_attempt_never_lowers_the_probability_and_adds_at_most_the_rate(world: Measured, tries: int) -> None:
    for fewer, more in zip(unlock(world, tries=tries).lines, unlock(world, tries=tries + 1).lines, strict=True):
        one, less, most = (ends(cell) for cell in (fewer.cells[0], fewer.cells[1], more.cells[1]))
        for k in range(3):
            assert less[k] <= most[k] * (1 + 1e-12)
            assert most[k] <= less[k] + one[k] + 1e-12


@given(part=rates(), rest=rates())
def test_a_decreasing_argument_uses_the_other_end(part: Rate, rest: Rate) -> None:
    found = carried(lambda up, down: up - down, rising=[part], falling=[rest], unit="people")
    assert (found.low, found.high) == (part.low - rest.high, part.high - rest.low)


def test_every_scenario_names_the_options_that_it_takes() -> None:
    for scenario in SCENARIOS.values():
        keywords = [p.name for p in inspect.signature(scenario.answer).parameters.values() if p.kind == p.KEYWORD_ONLY]
        assert sorted(scenario.options) == sorted(keywords)
        assert scenario.needed()
        assert {metric.name for metric in scenario.needed()} <= set(scenario.read())


def test_every_scenario_states_its_assumptions_and_makes_no_claim_of_fairness() -> None:
    for scenario in SCENARIOS.values():
        answer = scenario.answer(HAND)
        assert len(answer.assumptions) >= 3
        said = " ".join((answer.title, *answer.columns, *answer.assumptions)).lower()
        assert "fair" not in said
        assert all(len(entry.cells) == len(answer.columns) for entry in answer.lines)


def test_a_checkpoint_by_hand() -> None:
    found = checkpoint(HAND, people=10_000, minors_share=0.2)
    assert found.columns == ("under age", "pass under age", "of age, must show a document")
    women, men, everybody = (line.cells for line in found.lines)
    # 5,000 women, 1,000 of them under age: 12% pass, and 20% of 4,000 must show a document
    assert [cell.value for cell in women if isinstance(cell, Quantity)] == pytest.approx([1000, 120, 800])
    assert [cell.value for cell in men if isinstance(cell, Quantity)] == pytest.approx([1000, 30, 400])
    assert [cell.value for cell in everybody if isinstance(cell, Quantity)] == pytest.approx([2000, 150, 1200])
    assert isinstance(men[1], Quantity) and men[1].is_thin and (men[1].low, men[1].high) == pytest.approx((10, 80))
    assert not any("independence bound" in sentence for sentence in found.assumptions)


def test_tries_of_a_checkpoint_are_a_named_bound_and_settings_are_checked() -> None:
    twice = checkpoint(HAND, people=10_000, minors_share=0.2, tries=2)
    passes = twice.lines[0].cells[1]
    assert isinstance(passes, Quantity) and passes.value == pytest.approx(1000 * (1 - 0.88**2))
    assert any("independence bound" in sentence for sentence in twice.assumptions)
    assert twice.columns[1] == "pass under age in 2 attempts, at most"
    for wrong in ({"minors_share": 1.5}, {"minors_share": math.nan}, {"tries": 0}, {"tries": 1.5}):
        with pytest.raises(StatisticsError):
            checkpoint(HAND, **wrong)  # type: ignore[arg-type]
