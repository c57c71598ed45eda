"""The floors that a search starts with are near the k-th best scores, and a search is exact whatever they are."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from facegap.bench.rows import face_like
from facegap.matching import search
from facegap.matching.floors import PROBES_FOR_PILOT, likely_floors, moments_of, scores_of


def test_mean_and_deviation_of_two_rows_are_as_by_hand() -> None:
    moments = moments_of(np.array([[0.6, 0.8], [0.8, -0.6]], np.float32))
    mean, deviation = scores_of(np.array([[1, 0], [0, 2]], np.float32), moments)
    np.testing.assert_allclose(mean, [0.7, 0.2], atol=1e-6)  # scores .6, .8 and 1.6, -1.2
    np.testing.assert_allclose(deviation, [0.1, 1.4], atol=1e-6)


@pytest.mark.parametrize("spectrum", ["isotropic", "mobileface_v2"])
def test_most_probes_reach_their_floor_and_few_rows_besides_the_best_do(
    rng: np.random.Generator, spectrum: str
) -> None:
    rows = face_like(rng, 9000, 64, spectrum)[0]
    gallery, probes = rows[:8000], rows[8000:]
    scores = np.sort(probes @ gallery.T, axis=1)
    floors = likely_floors(gallery, probes, 10)
    assert (scores[:, -10] >= floors).mean() > 0.8
    assert np.median((scores >= floors[:, None]).sum(axis=1)) < 400  # 5%; without a floor all 8,000


def test_nothing_is_known_of_few_probes_or_of_more_ranks_than_rows() -> None:
    rows = np.eye(PROBES_FOR_PILOT, dtype=np.float32)
    assert np.isfinite(likely_floors(rows, rows, PROBES_FOR_PILOT)).all()
    assert (likely_floors(rows, rows[1:], 1) == -np.inf).all()
    assert (likely_floors(rows, rows, PROBES_FOR_PILOT + 1) == -np.inf).all()


@pytest.mark.parametrize("filter", ["float32", "fused", "int8", "prefix16", "int8-prefix32"])
@pytest.mark.parametrize("wrong", [0.02, 0.5])
def test_floors_that_are_too_high_cost_time_and_no_rank(
    rng: np.random.Generator, tools: Any, filter: str, wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of a few probes, of which some rows below the floor were found nevertheless, or of half of them.
    rows = face_like(rng, 700, 70)[0]
    rows[rng.integers(0, 600, 200)] = rows[3]  # ties
    gallery, probes = rows[:600], rows[550:]
    scores = tools.oracle_scores(probes, gallery)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :7]
    kth = np.take_along_axis(scores, best, axis=1)[:, -1]
    high = rng.permutation(len(probes)) < wrong * len(probes)
    assert high.any()
    monkeypatch.setattr(
        sys.modules["facegap.matching.search"], "likely_floors", lambda *_given: np.where(high, kth + 0.05, kth)
    )
    found = search(gallery, probes, 7, filter=filter)
    np.testing.assert_array_equal(found[0], best)
    np.testing.assert_array_equal(found[1], np.take_along_axis(scores, best, axis=1))
