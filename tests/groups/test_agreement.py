"""Alpha and kappa: published examples, properties, and scikit-learn."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from facegap.groups.agreement import (
    METRICS,
    alpha_of,
    coincidences,
    confusions,
    correlation_of,
    correlation_table,
    estimates,
    exact_agreement,
    kappa_of,
    mean_of,
    mean_table,
    middle,
    resampled_sums,
)
from fixtures.campaigns import short_and_full


def krippendorff_alpha(codes: np.ndarray, labels: int, metric: str) -> float:
    """Alpha of a whole matrix of codes."""
    return float(alpha_of(coincidences(codes, labels).sum(axis=0), metric))  # type: ignore[arg-type]


def matrix(*rows: str) -> tuple[np.ndarray, int]:
    """Codes of annotators, one string each, "*" for no answer; and the number of labels."""
    labels = sorted({label for row in rows for label in row.split()} - {"*"})
    return np.array([[labels.index(x) if x != "*" else -1 for x in row.split()] for row in rows]), len(labels)


# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability: section A (binary), B (nominal), C to E (missing data).
BINARY = ("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0")
NOMINAL = ("a a b b d c c c e d d a", "b a b b b c c c e d d d")
FOUR_OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 * * *",
    "1 2 3 3 2 2 4 1 2 5 * 3",
    "* 3 3 3 2 3 4 2 2 5 1 *",
    "1 2 3 3 2 4 4 1 2 5 1 *",
)


@pytest.mark.parametrize(
    ("rows", "metric", "published"),
    [
        (BINARY, "nominal", 0.095),
        (NOMINAL, "nominal", 0.692),
        (FOUR_OBSERVERS, "nominal", 0.743),
        (FOUR_OBSERVERS, "ordinal", 0.815),
        (FOUR_OBSERVERS, "interval", 0.849),
    ],
)
def test_alpha_is_that_of_the_published_examples(rows: tuple[str, ...], metric: str, published: float) -> None:
    assert round(krippendorff_alpha(*matrix(*rows), metric), 3) == published


def test_the_published_coincidence_matrix_is_found_again() -> None:
    codes, labels = matrix(*FOUR_OBSERVERS)
    expected = [
        [7, 4 / 3, 1 / 3, 1 / 3, 0],
        [4 / 3, 10, 4 / 3, 1 / 3, 0],
        [1 / 3, 4 / 3, 8, 1 / 3, 0],
        [1 / 3, 1 / 3, 1 / 3, 4, 0],
        [0, 0, 0, 0, 3],
    ]
    np.testing.assert_allclose(coincidences(codes, labels).sum(axis=0), expected)


def test_alpha_without_variation_or_without_pairs_is_nan_and_not_one() -> None:
    for metric in METRICS:
        assert math.isnan(krippendorff_alpha(np.array([[2, 2, 2], [2, 2, 2]]), 4, metric))
        assert math.isnan(krippendorff_alpha(np.array([[0, 1, -1], [-1, -1, 1]]), 2, metric))
        assert math.isnan(krippendorff_alpha(np.zeros((2, 0), np.int64), 4, metric))


def brute_force_alpha(codes: np.ndarray, metric: str) -> float:
    """Alpha from its definition, by pairs of values instead of tables."""
    kept = [column[column >= 0] for column in codes.T]
    units = [unit for unit in kept if len(unit) > 1]
    values = np.concatenate(units)
    counts = np.bincount(values, minlength=10)

    def distance(c: int, k: int) -> float:
        if metric == "nominal":
            return float(c != k)
        if metric == "interval":
            return float((c - k) ** 2)
        low, high = min(c, k), max(c, k)
        return float((counts[low : high + 1].sum() - (counts[low] + counts[high]) / 2) ** 2)

    observed = sum(
        sum(distance(a, b) for i, a in enumerate(unit) for j, b in enumerate(unit) if i != j) / (len(unit) - 1)
        for unit in units
    ) / len(values)
    pairs = [(a, b) for i, a in enumerate(values) for j, b in enumerate(values) if i != j]
    expected = sum(distance(a, b) for a, b in pairs) / len(pairs)
    return 1 - observed / expected


@pytest.mark.parametrize("metric", METRICS)
@settings(deadline=None)  # no deadline: the machine may be busy
@given(data=st.data())
def test_alpha_is_that_of_its_definition(metric: str, data: st.DataObject) -> None:
    column = st.lists(st.integers(-1, 3), min_size=3, max_size=3)
    codes = np.array(data.draw(st.lists(column, min_size=2, max_size=8))).T
    ours = krippendorff_alpha(codes, 4, metric)
    comparable = codes[:, (codes >= 0).sum(axis=0) > 1]
    if len(np.unique(comparable[comparable >= 0])) < 2:
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(brute_force_alpha(codes, metric), abs=1e-12)


@settings(deadline=None)  # no deadline: the machine may be busy
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs).T
    table = confusions(first, second, 5).sum(axis=0)
    for weights in ("none", "linear", "quadratic"):
        ours = float(kappa_of(table, weights))  # type: ignore[arg-type]
        if len(np.unique(np.concatenate([first, second]))) == 1:
            assert math.isnan(ours)
            continue
        theirs = cohen_kappa_score(first, second, labels=range(5), weights=None if weights == "none" else weights)
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_kappa_by_hand() -> None:
    # Cohen's table of two labels: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no; agreement .7, by chance .5.
    table = np.array([[20.0, 5.0], [10.0, 15.0]])
    assert float(kappa_of(table, "none")) == pytest.approx(0.4)
    assert float(exact_agreement(table)) == pytest.approx(0.7)


def test_kappa_counts_only_what_both_labelled() -> None:
    first, second = np.array([0, 1, -1, 1]), np.array([0, -1, 1, 0])
    assert confusions(first, second, 2).sum() == 2


def test_an_interval_resamples_people_and_not_their_images() -> None:
    rng = np.random.default_rng(7)
    values = np.repeat(rng.normal(size=30), 10)  # thirty people with ten equal images each
    table = mean_table(values)
    (by_person,) = estimates(table, [mean_of], np.repeat(np.arange(30), 10), rng=np.random.default_rng(0))
    (by_image,) = estimates(table, [mean_of], np.arange(300), rng=np.random.default_rng(0))
    assert (by_person.images, by_person.subjects, by_image.subjects) == (300, 30, 300)
    ratio = (by_person.high - by_person.low) / (by_image.high - by_image.low)
    assert ratio == pytest.approx(math.sqrt(10), rel=0.15)


@short_and_full("worlds", 60, 2000)
def test_an_interval_of_alpha_holds_the_truth_about_as_often_as_it_says(worlds: int) -> None:
    def world(seed: int, images: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, 6, images)
        return np.clip(truth + np.where(rng.random((3, images)) < 0.4, rng.choice([-1, 1], (3, images)), 0), 0, 5)

    truth = krippendorff_alpha(world(0, 200_000), 6, "ordinal")
    measure = partial(alpha_of, metric="ordinal")
    held = 0
    for seed in range(1, worlds + 1):
        tables = coincidences(world(seed, 60), 6)
        (found,) = estimates(tables, [measure], np.arange(60), rng=np.random.default_rng(seed), replicates=300)
        held += found.low <= truth <= found.high
    # The percentile interval of 60 images is a little short of .95.
    assert 0.87 <= held / worlds <= 0.992


def test_no_interval_is_made_of_one_person_or_of_perfect_agreement() -> None:
    tables = coincidences(np.array([[0, 1, 0, 1], [0, 1, 0, 1]]), 2)
    measure = partial(alpha_of, metric="nominal")
    for subjects in (np.zeros(4, np.int64), np.arange(4)):
        (found,) = estimates(tables, [measure], subjects, rng=np.random.default_rng(0))
        assert found.value == 1.0
        assert math.isnan(found.low)
        assert math.isnan(found.high)


def test_an_image_that_cannot_be_compared_takes_no_part() -> None:
    tables = coincidences(np.array([[0, 1, 0, 1, 1], [0, 1, 1, 1, -1]]), 2)
    measure = partial(alpha_of, metric="nominal")
    (found,) = estimates(tables, [measure], np.array([4, 4, 2, 2, 9]), rng=np.random.default_rng(0))
    assert (found.images, found.subjects) == (4, 2)


def test_resamples_are_the_same_however_many_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = np.random.default_rng(0).random((20, 3))
    whole = resampled_sums(tables, 50, np.random.default_rng(1))
    monkeypatch.setattr("facegap.groups.agreement.MOST_DRAWS", 60)
    np.testing.assert_allclose(resampled_sums(tables, 50, np.random.default_rng(1)), whole)
    assert whole.shape == (50, 3)
    assert resampled_sums(np.zeros((0, 3)), 5, np.random.default_rng(1)).tolist() == np.zeros((5, 3)).tolist()


def test_the_middle_of_mostly_undefined_replicates_is_undefined() -> None:
    assert all(math.isnan(end) for end in middle(np.array([np.nan] * 6 + [1.0, 2, 3, 4]), 0.95))
    low, high = middle(np.array([np.nan] * 4 + [1.0, 2, 3, 4, 5, 6]), 0.8)
    assert (low, high) == pytest.approx((1.5, 5.5))


def test_correlation_of_ranks_is_spearmans() -> None:
    from scipy.stats import rankdata

    rng = np.random.default_rng(3)
    x = rng.integers(0, 6, 50).astype(float)
    y = x + rng.normal(size=50)
    table = correlation_table(rankdata(x), rankdata(y)).sum(axis=0)
    assert float(correlation_of(table)) == pytest.approx(float(spearmanr(x, y).statistic))
    assert math.isnan(float(correlation_of(correlation_table(np.full(5, 0.1), np.arange(5.0)).sum(axis=0))))
