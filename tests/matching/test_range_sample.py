"""A histogram over all scores from the exact list and a sample: which bins are exact, and the error of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from facegap.matching import count_scores, with_sampled_range
from facegap.matching.range_sample import distributed

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def counted(rows: Any, subjects: Any, groups: Any, **change: Any) -> Any:
    options = {"floor": 0.45, "bins": 16, "tail_limit": 10_000} | change
    return count_scores(rows, subjects, groups, **options)


def test_three_faces_are_those_worked_out_by_hand() -> None:
    # Scores 0 (0 and 1), 0.6 (0 and 2), 0.8 (1 and 2): the last is in the list, the others can be sampled.
    rows = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    found = with_sampled_range(
        counted(rows, np.arange(3), np.zeros(3, int), floor=0.7), rows, np.arange(3), np.zeros(3, int), bins=4
    )
    assert found.full_range is not None
    assert found.full_range.impostor[0, 0].tolist() == [0, 0, 1, 2]
    assert found.full_range.sampled == 3  # each pair once


@pytest.fixture(name="faces")
def made(rng: np.random.Generator, tools: Any) -> Arrays:
    rows, subjects, groups = tools.hard_faces(rng, 700, 32)
    groups[:200] = np.where(groups[:200] >= 0, 2, -1)
    return rows, subjects, groups


def test_sums_bins_above_the_floor_and_genuine_counts_are_exact(faces: Arrays) -> None:
    exclude = np.array([[0, 9], [30, 4], [100, 500]])
    whole = counted(*faces, exclude=exclude, full_range=40)
    found = with_sampled_range(whole, *faces, bins=40, exclude=exclude, pairs=6000)
    assert found.full_range is not None and whole.full_range is not None
    np.testing.assert_array_equal(found.full_range.impostor.sum(axis=-1), whole.impostor_pairs)
    np.testing.assert_array_equal(found.full_range.genuine, whole.full_range.genuine)
    above = whole.full_range.edges[:-1] >= whole.tail_floor
    assert above.any()
    np.testing.assert_array_equal(found.full_range.impostor[..., above], whole.full_range.impostor[..., above])
    np.testing.assert_array_equal(np.tril(found.full_range.impostor.sum(axis=-1), -1), 0)
    assert 3000 < found.full_range.sampled <= 6000
    unlike = replace(found, full_range=None)
    assert_same_but_for_the_range(unlike, replace(whole, full_range=None))


def assert_same_but_for_the_range(a: Any, b: Any) -> None:
    for name in ("impostor", "genuine", "tail", "genuine_scores", "impostor_pairs"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_the_sample_is_that_of_its_seed_and_lies_around_the_counts_without_bias(faces: Arrays) -> None:
    whole = counted(*faces, full_range=40)
    assert whole.full_range is not None
    found = [
        with_sampled_range(whole, *faces, bins=40, pairs=3000, seed=seed, workers=1 + seed % 2).full_range.impostor
        for seed in [0, 0, *range(1, 40)]
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()
    drawn = np.array(found[1:]).sum(axis=(1, 2))  # all cells together, [seeds, bins]
    exact = whole.full_range.impostor.sum(axis=(0, 1))
    spread = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn))
    large = exact > 500
    assert (np.abs(drawn.mean(axis=0) - exact)[large] <= 4 * spread[large] + 1).all()
    # For 3,000 pairs the error of the distribution function is about 1 / sqrt(3,000); 0.06 is three times that.
    assert np.abs(np.cumsum(drawn - exact, axis=1)).max() / exact.sum() < 0.06


def test_a_group_of_one_person_and_a_few_strangers_is_drawn_from_too(rng: np.random.Generator, tools: Any) -> None:
    rows, _, _ = tools.made_faces(rng, 1500, 16)
    subjects = np.array([0] * 1490 + list(range(1, 11)))  # 45 + 14,900 of 1,124,250 pairs are impostor pairs
    whole = counted(rows, subjects, np.zeros(1500, int), full_range=20, floor=0.9)
    found = with_sampled_range(whole, rows, subjects, np.zeros(1500, int), bins=20, pairs=2000)
    assert found.full_range is not None and whole.full_range is not None
    assert found.full_range.sampled == 1000
    gap = np.abs(np.cumsum(found.full_range.impostor - whole.full_range.impostor)).max()
    assert gap / whole.impostor_pairs.sum() < 0.08


def test_pairs_are_shared_out_whole_by_largest_remainders_and_none_gets_lost() -> None:
    edges = np.linspace(-1, 1, 5)
    assert distributed(10, np.array([0, 1, 2, 0]), edges, 0.9).tolist() == [0, 3, 7, 0]
    assert distributed(7, np.zeros(4, int), edges, 0.5).tolist() == [0, 0, 7, 0]  # just below the floor
    assert distributed(7, np.zeros(4, int), edges, 0.6).tolist() == [0, 0, 0, 7]


def test_no_pair_at_all_leaves_a_histogram_of_zeros() -> None:
    rows, nobody = np.ones((4, 2), np.float32), np.full(4, -1)
    found = with_sampled_range(counted(rows, nobody, nobody, floor=0.0), rows, nobody, nobody, bins=4)
    assert found.full_range is not None
    assert (found.full_range.impostor.sum(), found.full_range.sampled) == (0, 0)
