"""Ranks of a 1:N search equal those of brute force, with ties to the lower row, for every method."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.errors import MatchingError
from facegap.matching import search
from facegap.matching.filters import FILTERS, TileShape, why_not
from fixtures.processors import able_to_run

PREFIXED = ["prefix16", "prefix40", "int8-prefix32", "amx-prefix32"]
USABLE = [*(name for name in FILTERS if not why_not(name)), "prefix16", "prefix40", "graph"]


def expected_ranks(tools: Any, gallery: Any, probes: Any, k: int) -> tuple[Any, Any]:
    scores = tools.oracle_scores(probes, gallery)
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(scores, rows, axis=1)


def test_the_best_two_of_three_are_found_as_by_hand() -> None:
    gallery = np.array([[0, 1], [1, 0], [1, 0]], np.float32)
    rows, scores = search(gallery, np.array([[1, 0], [0.6, 0.8]], np.float32), 2)
    np.testing.assert_array_equal(rows, [[1, 2], [0, 1]])
    np.testing.assert_array_equal(scores, np.array([[1, 1], [np.float32(0.8), np.float32(0.6)]], np.float64))


def test_ranks_that_a_small_gallery_cannot_fill_are_minus_one_and_minus_infinity() -> None:
    rows, scores = search(np.eye(2, dtype=np.float32), np.array([[0.6, 0.8]], np.float32), 4)
    assert rows.tolist() == [[1, 0, -1, -1]]
    assert scores[0, 2:].tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize("filter", [*FILTERS, *PREFIXED, "graph"])
@pytest.mark.parametrize("kernels", ["numba", "numpy"])
def test_every_filter_and_loop_ranks_as_brute_force(
    rng: np.random.Generator, tools: Any, filter: str, kernels: Any
) -> None:
    gallery, _, _ = tools.hard_faces(rng, 600, 70)
    probes = np.concatenate([gallery[:40], tools.made_faces(rng, 30, 70)[0]])
    for k, shape, workers in ((1, None, 1), (10, TileShape(32, 64), 3), (300, TileShape(64, 100), 2)):
        expected = expected_ranks(tools, gallery, probes, k)
        with able_to_run(filter):
            found = search(gallery, probes, k, filter=filter, kernels=kernels, shape=shape, workers=workers)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 120),
    probes=st.integers(0, 40),
    depth=st.integers(1, 70),
    k=st.integers(1, 30),
    size=st.integers(8, 60),
    filter=st.sampled_from(USABLE),
)
def test_any_gallery_cut_in_super_blocks_ranks_as_brute_force(
    tools: Any, seed: int, rows: int, probes: int, depth: int, k: int, size: int, filter: str
) -> None:
    rng = np.random.default_rng(seed)
    gallery = tools.made_faces(rng, rows, depth)[0]
    gallery[rng.integers(0, rows, rows // 2)] = gallery[0]  # ties
    asked = tools.made_faces(rng, probes, depth)[0]
    asked[: probes // 2] = gallery[0]
    with pytest.MonkeyPatch.context() as patch:
        # From the table of modules: in the package, the name of the module refers to the function.
        patch.setattr(sys.modules["facegap.matching.search"], "super_rows", lambda depth: size)
        patch.setattr(sys.modules["facegap.matching.search"], "WAITING", 1)  # so that room must be made in between
        found = search(gallery, asked, k, filter=filter, shape=TileShape(64, 16))
    expected = expected_ranks(tools, gallery, asked, k)
    filled = min(k, rows)
    np.testing.assert_array_equal(found[0][:, :filled], expected[0])
    np.testing.assert_array_equal(found[1][:, :filled], expected[1])
    assert (found[0][:, filled:] == -1).all()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"k": 0}, "k=0"),
        ({"workers": 0}, "workers"),
        ({"filter": "x"}, "'x'"),
        ({"probes": np.ones((2, 3), np.float32)}, "depth"),
        ({"gallery": np.zeros((2, 4), np.float32)}, "gallery: row 0 is zero"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(change: dict[str, Any], fault: str) -> None:
    rows = np.ones((4, 4), np.float32)
    with pytest.raises(MatchingError, match=fault):
        search(**({"gallery": rows, "probes": rows, "k": 1} | change))


@pytest.mark.parametrize("filter", [*FILTERS, *PREFIXED, "graph"])
@pytest.mark.parametrize("kernels", ["numba", "numpy"])
def test_the_best_are_found_where_quantisation_puts_the_second_best_first(filter: str, kernels: Any) -> None:
    # The probe is quantised without loss. In 254 components .45 of a step is lost by the best and won by the others, which
    # turns their order in the integer products by twice the bound; the last component makes up for the true difference.
    probe = np.array([[127, *[100] * 255]], np.float32) / 2048
    best = np.array([127, *[100.45] * 254, 127], np.float32) / 2048
    others = np.array([127, *[100.55] * 254, 100], np.float32) / 2048
    gallery = np.stack([others] * 20 + [best] * 20)
    with able_to_run(filter):
        rows, _ = search(gallery, probe, 10, filter=filter, kernels=kernels)
    assert rows[0].tolist() == list(range(20, 30))
