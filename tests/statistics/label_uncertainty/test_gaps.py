"""Gaps under resampled labels: unchanged for certain labels, never narrower, with correct attenuation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from facegap.errors import StatisticsError
from facegap.statistics import gap_family, holm
from facegap.statistics.clusters import rates_of_clusters
from facegap.statistics.intervals import difference_at
from facegap.statistics.label_uncertainty.gaps import label_gaps
from facegap.statistics.label_uncertainty.probabilities import sampled_classes
from fixtures.campaigns import short_and_full

GROUPS = ("darker", "lighter")
PLAIN = ("difference", "difference_low", "difference_high", "ratio", "ratio_low", "ratio_high", "p", "p_adjusted")


def rates(errors: list[int], trials: list[int]):
    """Rates of groups of people with one image each."""
    wrong = np.concatenate([np.arange(n) < e for e, n in zip(errors, trials, strict=True)]).astype(np.int64)
    cells = np.repeat(np.arange(len(trials)), trials)
    return rates_of_clusters(wrong, np.ones_like(wrong), cells, n_cells=len(trials))


MARGINS = {"difference": 0.02, "ratio": 2.0}


def family_of(found, groups=GROUPS, scale="difference"):
    """The plain family of these rates."""
    return gap_family(
        groups,
        found.errors,
        found.trials,
        found.subjects,
        found.effective_trials,
        margin=MARGINS[scale],
        scale=scale,
        family="tone",
    )


def labelled(found, drawn, confusion=None, groups=GROUPS, scale="difference"):
    """The family and its columns under resampled labels."""
    family = family_of(found, groups, scale)
    return family, label_gaps(family, groups, found, drawn, np.eye(len(groups)) if confusion is None else confusion)


# ---- by hand ----


def test_the_interval_is_rubins_around_both_gaps() -> None:
    found, drawn = rates([40, 20], [200, 200]), [rates([36, 24], [200, 200]), rates([32, 22], [200, 200])]
    family, columns = labelled(found, drawn)
    # Differences of the resamples: .06 and .05. Mean .055, variance (.005^2 + .005^2) / 1 = 5e-5, times 1.5.
    assert columns.label_difference[0] == pytest.approx(0.055)
    z = stats.norm.ppf(0.975)
    widths = [
        np.diff(difference_at(*(np.array([x]) for x in side), z), axis=0)[0, 0]
        for side in ((0.2, 200, 0.1, 200), (0.18, 200, 0.12, 200), (0.16, 200, 0.11, 200))
    ]
    own, within = (widths[0] / (2 * z)) ** 2, np.mean([(width / (2 * z)) ** 2 for width in widths[1:]])
    added = 1.5 * 5e-5
    quantile = stats.t.ppf(0.975, 1 * (1 + within / added) ** 2)
    low, high = difference_at(np.array([0.2]), np.array([200.0]), np.array([0.1]), np.array([200.0]), z)
    stretch = np.sqrt(max(within / own, 1))
    down = np.hypot(stretch * (0.1 - low[0]) * quantile / z, np.sqrt(added) * quantile)
    up = np.hypot(stretch * (high[0] - 0.1) * quantile / z, np.sqrt(added) * quantile)
    assert columns.label_difference_low[0] == pytest.approx(0.055 - down)
    assert columns.label_difference_high[0] == pytest.approx(0.1 + up)
    assert columns.label_draws[0] == 2
    assert family.columns.difference[0] == pytest.approx(0.1)


def test_p_is_where_the_widened_interval_reaches_zero() -> None:
    found, drawn = rates([60, 20], [200, 200]), [rates([50, 30], [200, 200]), rates([54, 27], [200, 200])]
    _, columns = labelled(found, drawn)
    family = gap_family(
        GROUPS,
        found.errors,
        found.trials,
        found.subjects,
        found.effective_trials,
        margin=0.02,
        scale="difference",
        level=1 - float(columns.label_p[0]),
    )
    again = label_gaps(family, GROUPS, found, drawn, np.eye(2))
    # The variance within a resample is taken from its interval, whose shape depends slightly on the level.
    assert again.label_difference_low[0] == pytest.approx(0, abs=2e-3)


def test_draws_on_both_sides_of_zero_can_show_no_difference() -> None:
    found = rates([24, 20], [200, 200])
    _, columns = labelled(found, [rates([10, 40], [200, 200]), rates([12, 38], [200, 200])])
    assert columns.label_p[0] == 1.0
    assert columns.label_difference_low[0] < 0 < columns.label_difference_high[0]


def test_a_ratio_is_pooled_on_the_log_scale() -> None:
    _, columns = labelled(rates([40, 20], [200, 200]), [rates([40, 10], [200, 200]), rates([20, 20], [200, 200])])
    assert columns.label_ratio[0] == pytest.approx(np.sqrt(4 * 1))
    assert columns.label_ratio_low[0] < 1 < columns.label_ratio_high[0]


def test_a_metric_compared_by_ratio_is_compared_by_ratio_here_too() -> None:
    found, drawn = (
        rates([400, 100], [20_000, 20_000]),
        [rates([390, 110], [20_000, 20_000]), rates([380, 115], [20_000, 20_000])],
    )
    family, columns = labelled(found, drawn, scale="ratio")
    assert columns.label_p[0] > family.columns.p[0]
    assert columns.verdict[0] == "gap larger than the margin"


# ---- certain labels ----

COUNTS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 200)), min_size=2, max_size=4)


@given(COUNTS, st.sampled_from(["difference", "ratio"]))
@settings(deadline=None, max_examples=60)
def test_draws_that_repeat_the_labels_change_no_number_at_all(counts: list[tuple[int, int]], scale: str) -> None:
    found = rates([errors for errors, _ in counts], [errors + right for errors, right in counts])
    groups = tuple(f"group {k}" for k in range(len(counts)))
    family, columns = labelled(found, [found] * 7, groups=groups, scale=scale)
    for name in PLAIN:
        assert np.array_equal(getattr(columns, f"label_{name}"), getattr(family.columns, name), equal_nan=True), name
    assert columns.verdict.tolist() == family.columns.verdict.tolist()
    for name in (
        "decided_low",
        "decided_high",
        "decided_level",
    ):  # equal up to rounding, as arrays differ in length
        np.testing.assert_allclose(getattr(columns, name), getattr(family.columns, name), rtol=1e-12, atol=0)


@given(st.integers(0, 2**32), st.sampled_from([(0.0, 1.0), (0.0, 0.5, 1.0), (0.02, 0.3), (0.45, 0.55)]))
@settings(deadline=None, max_examples=60)
def test_no_interval_is_narrower_than_without_uncertainty(seed: int, possible: tuple[float, ...]) -> None:
    rng = np.random.default_rng(seed)
    people = int(rng.integers(45, 200))
    chances, wrong = rng.choice(possible, people), rng.random(people) < rng.random()
    own = (rng.random(people) < rng.uniform(0.2, 0.8)).astype(np.int64)
    drawn = [sampled_classes(np.stack([1 - chances, chances], axis=1), rng) for _ in range(5)]

    def of(cells):
        return rates_of_clusters(wrong.astype(np.int64), np.ones(len(own)), cells, n_cells=2)

    family, columns = labelled(of(own), [of(cells) for cells in drawn])
    if not len(family):
        return
    plain = family.columns
    assert np.isnan(columns.label_p[0]) or (
        columns.label_difference_low[0] <= plain.difference_low[0]
        and columns.label_difference_high[0] >= plain.difference_high[0]
        and columns.label_p[0] >= plain.p[0] - 1e-12
    )
    assert np.isnan(columns.label_ratio_low[0]) or (
        columns.label_ratio_low[0] <= plain.ratio_low[0] * (1 + 1e-12)
        and columns.label_ratio_high[0] >= plain.ratio_high[0] * (1 - 1e-12)
    )


def test_a_ratio_to_a_rate_of_zero_has_neither_end_of_an_interval() -> None:
    found = rates([3, 0], [81, 21])  # two resamples with errors in both groups
    drawn = [rates([2, 1], [44, 58]), rates([2, 2], [44, 58])]
    columns = labelled(found, drawn)[1]
    assert np.isnan([columns.label_ratio_low[0], columns.label_ratio_high[0]]).all()


# ---- verdicts ----


def test_uncertain_labels_do_not_make_it_easier_to_find_nothing() -> None:
    found = rates([2000, 2000], [20_000, 20_000])
    drawn = [rates([2000, 2001], [20_000, 20_000]), rates([2001, 2000], [20_000, 20_000])]
    sure = labelled(found, drawn)[1]
    blurred = labelled(found, drawn, np.array([[0.6, 0.4], [0.4, 0.6]]))[1]
    assert sure.verdict[0] == "no gap larger than the margin"
    assert blurred.label_attenuation[0] == pytest.approx(0.2)
    assert blurred.verdict[0] == "not enough data"


def test_the_outer_interval_is_the_widened_one_and_the_same_divided_by_what_is_left() -> None:
    found, drawn = rates([40, 20], [200, 200]), [rates([36, 24], [200, 200]), rates([32, 22], [200, 200])]
    _, columns = labelled(found, drawn, np.array([[0.9, 0.1], [0.4, 0.6]]))
    low, high = columns.label_difference_low[0], columns.label_difference_high[0]
    assert low < 0 < high
    assert (columns.label_outer_low[0], columns.label_outer_high[0]) == pytest.approx((low / 0.5, high / 0.5))
    _, far = labelled(
        rates([80, 10], [200, 200]),
        [rates([79, 10], [200, 200]), rates([80, 11], [200, 200])],
        np.array([[0.9, 0.1], [0.4, 0.6]]),
    )
    assert far.label_outer_low[0] == far.label_difference_low[0]  # the end nearer to no difference is unchanged
    assert far.label_outer_high[0] == pytest.approx(min(far.label_difference_high[0] / 0.5, 1))


def test_labels_by_chance_can_never_show_that_there_is_no_gap() -> None:
    found = rates([0, 0], [200_000, 200_000])
    _, columns = labelled(found, [found, found], np.full((2, 2), 0.5))
    assert columns.verdict[0] == "not enough data"
    assert (columns.label_outer_low[0], columns.label_outer_high[0]) == (-1, 1)


def test_a_draw_that_empties_a_group_leaves_no_number_and_not_enough_data() -> None:
    found = rates([5, 10], [30, 100])
    _, columns = labelled(found, [rates([0, 15], [0, 130]), found])
    assert np.isnan([columns.label_difference[0], columns.label_p[0]]).all()
    assert columns.verdict[0] == "not enough data"


def test_the_stricter_verdict_is_the_verdict_and_its_widened_interval_is_that_which_decided() -> None:
    found, drawn = rates([44, 20], [200, 200]), [rates([36, 26], [200, 200]), rates([40, 22], [200, 200])]
    family, columns = labelled(found, drawn)
    assert family.columns.verdict[0] == "gap larger than the margin"
    assert columns.verdict[0] == "not enough data"
    assert not columns.label_differs[0]
    assert columns.decided_low[0] <= 0 <= columns.decided_high[0]
    assert columns.decided_low[0] == pytest.approx(columns.label_difference_low[0])  # both at 95%, of the only gap
    assert columns.decided_level[0] == pytest.approx(0.95)


@given(st.integers(0, 2**32), st.sampled_from(["difference", "ratio"]), st.sampled_from([0.0, 0.02, 0.1, 0.3]))
@settings(deadline=None, max_examples=80)
def test_no_gap_stands_beside_a_widened_interval_that_contains_no_difference(
    seed: int, scale: str, flipped: float
) -> None:
    rng = np.random.default_rng(seed)
    people, groups = int(rng.integers(90, 3000)), ("a", "b", "c")
    own = rng.integers(0, 3, people)
    wrong = (rng.random(people) < rng.uniform(0.01, 0.4, 3)[own]).astype(np.int64)
    drawn = [np.where(rng.random(people) < flipped, rng.integers(0, 3, people), own) for _ in range(4)]
    confusion = np.full((3, 3), flipped / 3) + np.eye(3) * (1 - flipped)

    def of(cells):
        return rates_of_clusters(wrong, np.ones(people), cells, n_cells=3)

    family, columns = labelled(of(own), [of(cells) for cells in drawn], confusion, groups=groups, scale=scale)
    none, least, most = (1.0, 0.5, 2.0) if scale == "ratio" else (0.0, -0.02, 0.02)
    for k, verdict in enumerate(columns.verdict):
        low, high = columns.decided_low[k], columns.decided_high[k]
        assert np.isnan(low) or low <= high
        if verdict == "gap":
            assert low > none or high < none
        if verdict == "gap larger than the margin":
            assert low > most or high < least
        if verdict == "no gap larger than the margin":
            assert least < low <= high < most
        if verdict != "not enough data":
            assert family.columns.verdict[k] in (verdict, "gap larger than the margin")


def test_a_ratio_inside_the_margin_that_labels_may_have_blurred_from_outside_it_settles_nothing() -> None:
    found = rates([2000, 1500], [100_000, 100_000])  # 1.33, as 2 against 1 with half of the second group mislabelled
    drawn = [rates([2000, 1501], [100_000, 100_000]), rates([2001, 1500], [100_000, 100_000])]
    sure = labelled(found, drawn, scale="ratio")[1]
    blurred = labelled(found, drawn, np.array([[1.0, 0.0], [0.5, 0.5]]), scale="ratio")[1]
    slightly = labelled(found, drawn, np.array([[1.0, 0.0], [0.2, 0.8]]), scale="ratio")[1]
    assert sure.verdict[0] == "no gap larger than the margin"
    assert (
        blurred.verdict[0] == "not enough data"
    )  # a gap by resampled labels, none larger than the margin by the given labels
    assert slightly.verdict[0] == "no gap larger than the margin"
    low, high = np.log(sure.decided_low[0]), sure.decided_high[0]
    assert slightly.decided_low[0] == pytest.approx(np.exp(low))
    assert slightly.decided_high[0] == pytest.approx(0.8 * high / (1 - 0.2 * high))


def test_p_is_holms_over_the_family() -> None:
    groups = ("a", "b", "c")
    found = rates([40, 20, 60], [200, 200, 200])
    _, columns = labelled(found, [rates([38, 22, 58], [200] * 3), rates([41, 19, 57], [200] * 3)], groups=groups)
    assert columns.label_p_adjusted == pytest.approx(holm(columns.label_p))


def test_a_family_of_one_group_has_no_rows() -> None:
    found = rates([40], [200])
    _, columns = labelled(found, [found, found], np.eye(1), groups=("only",))
    assert len(columns.label_p) == 0


def test_one_draw_is_refused() -> None:
    found = rates([40, 20], [200, 200])
    with pytest.raises(StatisticsError, match="two or more"):
        labelled(found, [found])


# ---- a simulated dataset ----


@short_and_full("worlds", 50, 2000)
def test_where_labels_err_the_widened_interval_covers_the_true_gap_more_often(worlds: int) -> None:
    """Labels correct with their stated probabilities, .85 to 1, true rates .30 and .10: coverage of .20."""
    rng, people, draws = np.random.default_rng(5), 600, 20
    hits = {"plain": 0, "widened": 0, "outer": 0}
    for _ in range(worlds):
        truth = rng.random(people) < 0.5
        sure = rng.uniform(0.85, 1.0, people)
        label = np.where(rng.random(people) < sure, truth, ~truth)
        wrong = (rng.random(people) < np.where(truth, 0.30, 0.10)).astype(np.int64)
        chance = np.where(label, sure, 1 - sure)
        chances = np.stack([chance, 1 - chance], axis=1)  # class 0 is darker
        own = (~label).astype(np.int64)

        def of(cells, wrong=wrong):
            return rates_of_clusters(wrong, np.ones(people), cells, n_cells=2)

        confusion = np.stack([chances[own == g].mean(axis=0) for g in (0, 1)])
        family, columns = labelled(of(own), [of(sampled_classes(chances, rng)) for _ in range(draws)], confusion)
        hits["plain"] += family.columns.difference_low[0] <= 0.20 <= family.columns.difference_high[0]
        hits["widened"] += columns.label_difference_low[0] <= 0.20 <= columns.label_difference_high[0]
        hits["outer"] += columns.label_outer_low[0] <= 0.20 <= columns.label_outer_high[0]
    assert hits["widened"] > hits["plain"]
    assert hits["outer"] / worlds >= 0.95
