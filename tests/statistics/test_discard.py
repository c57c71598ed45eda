"""Error versus discard: worked by hand, against a simple loop, and against the ten published areas."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.errors import StatisticsError
from facegap.statistics.discard import (
    best_discard_area,
    discard_area,
    discard_area_interval,
    discard_curve,
)

# data/edc_example/README.md: pAUC up to 0.2 and to 0.3, and FNMR at four proportions discarded.
PUBLISHED = {
    1: (0.00695968, 0.00953338, (0.03884, 0.03275, 0.02813, 0.02314)),
    2: (0.00931871, 0.01350764, (0.04697, 0.04599, 0.04374, 0.03792)),
    3: (0.00784326, 0.01068668, (0.04356, 0.03856, 0.03198, 0.02571)),
    4: (0.00911386, 0.01284250, (0.04840, 0.04511, 0.04237, 0.03256)),
    5: (0.00706776, 0.00961007, (0.03783, 0.03344, 0.02836, 0.02242)),
}
NET = {1: (570968, 828338), 2: (806871, 1225764), 3: (659326, 943668), 4: (786386, 1159250), 5: (581776, 836007)}


@pytest.fixture(scope="module")
def published(test_data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = test_data / "data" / "edc_example"
    return pd.read_csv(folder / "pairs.csv"), pd.read_csv(folder / "quality.csv").set_index("sample")


@pytest.mark.real
@pytest.mark.parametrize("algorithm", PUBLISHED)
def test_the_areas_and_rates_of_the_public_example_are_those_published(
    published: tuple[pd.DataFrame, pd.DataFrame], algorithm: int
) -> None:
    pairs, samples = published
    values = samples[f"algorithm_{algorithm}"]
    first, second = (values.loc[pairs[side]].to_numpy() for side in ("left", "right"))
    quality, score = np.minimum(first, second), pairs["score"].to_numpy()
    errors = score < np.quantile(score, 0.05)
    assert (errors.sum(), len(errors)) == (500, 10_000)
    areas = [discard_area(quality, errors, limit) for limit in (0.2, 0.3)]
    assert areas == pytest.approx(PUBLISHED[algorithm][:2], abs=5e-9)
    net = [area - best_discard_area(0.05, limit) for area, limit in zip(areas, (0.2, 0.3), strict=True)]
    assert net == pytest.approx([value / 1e8 for value in NET[algorithm]], abs=5e-9)
    curve = discard_curve(quality, errors)
    left = [curve.at(share) for share in (0.05, 0.1, 0.2, 0.3)]
    assert [wrong / trials for wrong, trials in left] == pytest.approx(PUBLISHED[algorithm][2], abs=5e-6)


def test_comparisons_of_equal_quality_are_discarded_together() -> None:
    curve = discard_curve(np.array([2.0, 1, 1, 3, 1]), np.array([0, 1, 0, 1, 0]))
    assert curve.discarded.tolist() == [0, 3, 4, 5]
    assert curve.errors.tolist() == [2, 1, 1, 0]
    assert curve.trials.tolist() == [5, 2, 1, 0]
    assert curve.rate.tolist() == [0.4, 0.5, 1.0, 0.0]
    assert curve.quality.tolist() == [1, 2, 3, np.inf]


def test_one_quality_for_all_can_discard_nothing_but_everything() -> None:
    curve = discard_curve(np.ones(4), np.array([True, False, False, False]))
    assert curve.share.tolist() == [0, 1]
    assert curve.at(0.99) == (1, 4)
    assert discard_area(np.ones(4), np.array([True, False, False, False]), 0.3) == pytest.approx(0.3 * 0.25)


def area_by_a_loop(quality: list[int], errors: list[bool], limit: float) -> float:
    """The area by definition: discard and count at many proportions."""
    rows, total, at = sorted(zip(quality, errors, strict=True)), 0.0, 0.0
    cuts = sorted({k for k in range(len(rows)) if k == 0 or rows[k - 1][0] != rows[k][0]} | {len(rows)})
    for start, end in pairwise(cuts):
        left = rows[start:]
        upto = min(end / len(rows), limit)
        total += max(upto - at, 0) * sum(wrong for _, wrong in left) / len(left)
        at = upto
    return total


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30), st.floats(0.01, 1))
def test_the_area_is_that_of_a_plain_loop(rows: list[tuple[int, bool]], limit: float) -> None:
    quality, errors = ([row[k] for row in rows] for k in (0, 1))
    expected = area_by_a_loop(quality, errors, limit)  # type: ignore[arg-type]
    assert discard_area(np.array(quality), np.array(errors), limit) == pytest.approx(expected)
    assert expected >= best_discard_area(float(np.mean(errors)), limit) - 1e-12


def test_a_quality_that_discards_errors_first_reaches_the_best_area() -> None:
    errors = np.arange(2000) < 100
    assert discard_area(np.arange(2000.0), errors, 0.2) == pytest.approx(best_discard_area(0.05, 0.2), rel=0.04)


def test_the_interval_holds_the_area_of_the_population_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    big = rng.random(200_000)
    truth = discard_area(big, rng.random(200_000) < 0.2 * (1 - big), 0.3)
    held = 0
    for _ in range(60):
        people = np.repeat(np.arange(150), 2)
        quality = rng.random(300)
        errors = rng.random(300) < 0.2 * (1 - quality)
        low, high = discard_area_interval(quality, errors, people, 0.3, rng=rng, draws=200)
        held += low <= truth <= high
    assert held >= 51  # of 60 at 95%: fewer has a probability below 0.01


def test_copies_of_a_person_s_comparisons_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(4)
    quality = rng.random(80)
    errors, people = rng.random(80) < 0.3, np.arange(80)
    once = discard_area_interval(quality, errors, people, 0.2, rng=np.random.default_rng(1))
    thrice = discard_area_interval(
        *(np.tile(a, 3) for a in (quality, errors, people)), 0.2, rng=np.random.default_rng(1)
    )
    assert thrice == pytest.approx(once)


def test_no_error_has_no_interval_as_a_bootstrap_would_claim_certainty() -> None:
    found = discard_area_interval(np.arange(9.0), np.zeros(9), np.arange(9), 0.2, rng=np.random.default_rng(0))
    assert np.isnan(found).all()


def test_one_subject_has_no_interval() -> None:
    found = discard_area_interval(np.arange(4.0), np.ones(4), np.zeros(4, int), 0.2, rng=np.random.default_rng(0))
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    ("quality", "errors", "limit", "said"),
    [
        ([], [], 0.2, "one of each per comparison"),
        ([1.0, 2], [True], 0.2, "one of each per comparison"),
        ([1.0, np.nan], [True, False], 0.2, "1 of 2 comparisons have no quality"),
        ([1.0], [True], 0.0, "limit 0.0"),
        ([1.0], [True], np.nan, "limit nan"),
    ],
)
def test_what_makes_no_curve_is_an_error(quality: list[float], errors: list[bool], limit: float, said: str) -> None:
    with pytest.raises(StatisticsError, match=said):
        discard_area(np.array(quality), np.array(errors, bool), limit)
