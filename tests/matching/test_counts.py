"""Counts of all pairs equal the integers of brute force, for every method and any division of the work."""

from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.errors import MatchingError
from facegap.matching import Probes, count_scores, counts
from facegap.matching.filters import FILTERS, TileShape, why_not
from fixtures.processors import able_to_run

PREFIXED = ["prefix16", "prefix40", "int8-prefix32", "amx-prefix32"]
USABLE = [*(name for name in FILTERS if not why_not(name)), "prefix16", "prefix40"]
LIMIT = 40


def test_four_faces_are_counted_as_by_hand() -> None:
    # Angles of 0, 0, 60 and 90 degrees; scores 1 (genuine), .5 twice, 0 twice, and cos 30.
    rows = np.array([[1, 0], [1, 0], [0.5, np.sqrt(0.75)], [0, 1]], np.float32)
    found = count_scores(
        rows,
        np.array([7, 7, 8, 9]),
        np.array([0, 0, 1, 1]),
        floor=0.4,
        bins=6,
        tail_limit=9,
        names=("darker", "lighter"),
    )
    assert found.groups == ("darker", "lighter")
    np.testing.assert_allclose(found.edges, [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    expected = np.zeros((2, 2, 6), int)
    expected[0, 1, 1] = 2  # 0.5 belongs to the bin that it begins
    expected[1, 1, 4] = 1  # .866
    np.testing.assert_array_equal(found.impostor, expected)
    np.testing.assert_array_equal(found.impostor_pairs, [[0, 4], [0, 1]])
    np.testing.assert_array_equal(found.genuine_pairs, [[1, 0], [0, 0]])
    assert found.genuine[0, 0, 5] == found.genuine.sum() == 1  # 1 itself is in the last bin
    assert [(int(p["left"]), int(p["right"])) for p in found.tail] == [(2, 3), (0, 2), (1, 2)]
    assert found.tail_floor == 0.4
    assert found.genuine_scores.tolist() == [(0, 1, 1.0)]
    assert found.unknown_pairs == 0


@pytest.mark.parametrize("filter", [*FILTERS, *PREFIXED, "graph"])
@pytest.mark.parametrize("kernels", ["numba", "numpy"])
@pytest.mark.parametrize(("floor", "shape"), [(0.3, None), (-2.0, TileShape(64, 100)), (0.85, TileShape(96, 32))])
def test_every_filter_tile_and_loop_gives_the_integers_of_brute_force(
    rng: np.random.Generator, tools: Any, filter: str, kernels: Any, floor: float, shape: TileShape | None
) -> None:
    rows, subjects, groups = tools.hard_faces(rng, 260, 80)
    exclude = np.array([[0, 1], [1, 0], [70, 3], [5, 5], [50, 7], [100, 101], [60, 61]])
    expected = tools.brute_force(rows, subjects, groups, floor=floor, bins=37, group_count=3, exclude=exclude)
    full = 8 if filter == "float32" else None
    for workers, limit in ((1, 10**6), (3, LIMIT)):
        with able_to_run(filter):
            found = count_scores(
                rows,
                subjects,
                groups,
                floor=floor,
                bins=37,
                tail_limit=limit,
                exclude=exclude,
                filter=filter,
                kernels=kernels,
                shape=shape,
                workers=workers,
                full_range=full,
            )
        tools.assert_counts(found, expected, limit=limit, full=full is not None)


@pytest.mark.parametrize("depth", [1, 3, 128, 256, 512])
@pytest.mark.parametrize("filter", USABLE)
def test_every_depth_gives_the_integers_of_brute_force(
    rng: np.random.Generator, tools: Any, depth: int, filter: str
) -> None:
    for clustered in (True, False):
        rows, subjects, groups = tools.made_faces(rng, 200, depth, clustered=clustered)
        expected = tools.brute_force(rows, subjects, groups, floor=0.25, bins=64, group_count=3)
        found = count_scores(rows, subjects, groups, floor=0.25, bins=64, tail_limit=LIMIT, filter=filter)
        tools.assert_counts(found, expected, limit=LIMIT)


def test_five_thousand_faces_give_the_integers_of_brute_force_by_every_filter(
    rng: np.random.Generator, tools: Any
) -> None:
    rows, subjects, groups = tools.hard_faces(rng, 5000, 32)
    expected = tools.brute_force(rows, subjects, groups, floor=0.4, bins=128, group_count=3)
    for filter in USABLE:
        found = count_scores(rows, subjects, groups, floor=0.4, bins=128, tail_limit=1000, filter=filter, workers=2)
        tools.assert_counts(found, expected, limit=1000)


@pytest.mark.parametrize("filter", USABLE)
def test_rows_whose_residuals_lie_along_each_other_need_the_whole_bound(tools: Any, filter: str) -> None:
    # Cauchy-Schwarz is then nearly an equality: a bound of half the width would lose pairs at a floor amid their scores.
    row = np.full(256, 100.49)
    row[0] = 127
    rows = (row / np.linalg.norm(row) * np.linspace(0.9, 0.9001, 64)[:, None]).astype(np.float32)
    subjects, groups = np.arange(64), np.arange(64) % 2
    scores = tools.oracle_scores(rows, rows)
    for floor in np.quantile(scores, [0.1, 0.5, 0.9, 0.99]).tolist():
        expected = tools.brute_force(rows, subjects, groups, floor=floor, bins=4, group_count=2)
        found = count_scores(rows, subjects, groups, floor=floor, bins=4, tail_limit=100, filter=filter)
        tools.assert_counts(found, expected, limit=100)


@pytest.mark.parametrize("kernels", ["numba", "numpy"])
def test_a_full_range_of_narrow_bins_scores_again_what_lies_near_an_edge(
    rng: np.random.Generator, tools: Any, kernels: Any
) -> None:
    # Among 79,800 pairs and 8,192 bins float32 products alone would put some ten pairs into a neighbouring bin.
    rows, subjects, groups = tools.made_faces(rng, 400, 128)
    expected = tools.brute_force(rows, subjects, groups, floor=0.5, bins=4, group_count=3, full_bins=8192)
    products = (rows @ rows.T)[np.triu_indices(400, 1)].astype(np.float64)
    plain = np.histogram(products, np.linspace(-1, 1, 8193))[0]
    both = expected.full_impostor + expected.full_genuine
    assert (plain != both.sum((0, 1))).any()
    found = count_scores(rows, subjects, groups, floor=0.5, bins=4, tail_limit=9, full_range=8192, kernels=kernels)
    tools.assert_counts(found, expected, limit=9, full=True)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 90),
    depth=st.integers(1, 40),
    bins=st.integers(1, 50),
    limit=st.integers(0, 400),
    filter=st.sampled_from(USABLE),
    tile=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    exact_floor=st.booleans(),
    floor=st.floats(-1.2, 0.999),
    kernels=st.sampled_from(["numba", "numpy"]),
)
def test_any_size_floor_and_tile_gives_the_integers_of_brute_force(
    tools: Any,
    seed: int,
    n: int,
    depth: int,
    bins: int,
    limit: int,
    filter: str,
    tile: tuple[int, int],
    exact_floor: bool,
    floor: float,
    kernels: Any,
) -> None:
    rng = np.random.default_rng(seed)
    rows, subjects, groups = tools.made_faces(rng, n, depth, groups=2)
    rows[rng.integers(0, n, n // 3)] = rows[0]  # ties
    subjects[rng.integers(0, n, n // 8)] = -1
    groups[rng.integers(0, n, n // 8)] = -1
    if exact_floor:  # a floor that is itself a score
        floor = float(min(0.999, rng.choice(tools.oracle_scores(rows, rows).ravel())))
    exclude = rng.integers(0, n, (n // 2, 2))
    expected = tools.brute_force(rows, subjects, groups, floor=floor, bins=bins, group_count=2, exclude=exclude)
    found = count_scores(
        rows,
        subjects,
        groups,
        floor=floor,
        bins=bins,
        tail_limit=limit,
        exclude=exclude,
        filter=filter,
        kernels=kernels,
        shape=TileShape(*tile),
        names=("a", "b"),
        full_range=8 if filter == "float32" else None,
    )
    tools.assert_counts(found, expected, limit=limit, full=filter == "float32")


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 150),
    size=st.integers(8, 70),
    parts=st.integers(1, 5),
    probes=st.booleans(),
    limit=st.integers(0, 200),
    filter=st.sampled_from(USABLE),
)
def test_a_run_cut_in_shards_and_merged_in_any_order_is_the_whole(
    tools: Any, seed: int, n: int, size: int, parts: int, probes: bool, limit: int, filter: str
) -> None:
    rng = np.random.default_rng(seed)
    rows, subjects, groups = tools.made_faces(rng, n, 20)
    rows[rng.integers(0, n, n // 4)] = rows[0]
    others = tuple(values[: n // 2 + 1] for values in tools.made_faces(rng, n, 20))
    exclude = rng.integers(0, len(others[0]) if probes else n, (9, 2))
    exclude[:, 0] %= n
    options: dict[str, Any] = {
        "floor": 0.1,
        "bins": 9,
        "tail_limit": limit,
        "filter": filter,
        "names": "abc",
        "exclude": exclude,
        "full_range": 8 if filter == "float32" else None,
    }
    expected = tools.brute_force(
        rows, subjects, groups, floor=0.1, bins=9, group_count=3, exclude=exclude, probes=others if probes else None
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts, "super_rows", lambda depth: size)
        shards = [
            count_scores(
                rows, subjects, groups, **options, shard=(k, parts), probes=Probes(*others) if probes else None
            )
            for k in range(parts)
        ]
    whole = reduce(add, (shards[k] for k in rng.permutation(parts)))
    tools.assert_counts(whole, expected, limit=limit, full=filter == "float32")


def test_the_order_of_the_rows_changes_nothing_but_their_numbers(rng: np.random.Generator, tools: Any) -> None:
    rows, subjects, groups = tools.hard_faces(rng, 300, 48)
    order = rng.permutation(300)
    options: dict[str, Any] = {"floor": 0.2, "bins": 50, "tail_limit": 90, "names": "abc"}
    found = count_scores(rows, subjects, groups, **options)
    other = count_scores(rows[order], subjects[order], groups[order], **options)
    for name in ("impostor", "genuine", "impostor_pairs", "genuine_pairs"):
        np.testing.assert_array_equal(getattr(found, name), getattr(other, name))
    assert other.tail_floor == found.tail_floor
    np.testing.assert_array_equal(other.tail["score"], found.tail["score"])
    pairs = {frozenset(p) for p in zip(found.tail["left"].tolist(), found.tail["right"].tolist(), strict=True)}
    assert pairs == {
        frozenset(p) for p in zip(order[other.tail["left"]].tolist(), order[other.tail["right"]].tolist(), strict=True)
    }


def test_memory_mapped_and_strided_embeddings_give_the_same_integers(
    rng: np.random.Generator, tools: Any, tmp_path: Path
) -> None:
    rows, subjects, groups = tools.hard_faces(rng, 200, 32)
    options: dict[str, Any] = {"floor": 0.2, "bins": 20, "tail_limit": 50}
    expected = count_scores(rows, subjects, groups, **options)
    np.save(tmp_path / "rows.npy", rows)
    wide = np.zeros((200, 64), np.float32)
    wide[:, ::2] = rows
    for same in (np.load(tmp_path / "rows.npy", mmap_mode="r"), np.asfortranarray(rows), wide[:, ::2]):
        tools.assert_same_counts(count_scores(same, subjects, groups, **options), expected)


def test_one_face_has_no_pairs_and_two_have_one() -> None:
    row = np.array([[0.6, 0.8]], np.float32)
    for n, pairs in ((1, 0), (2, 1)):
        found = count_scores(np.repeat(row, n, 0), np.arange(n), np.zeros(n, int), floor=0.0, bins=2, tail_limit=5)
        assert found.impostor_pairs.sum() == len(found.tail) == pairs
        assert found.genuine_pairs.sum() == found.unknown_pairs == 0


def test_no_face_at_all_gives_empty_counts() -> None:
    nobody = np.empty((0, 4), np.float32), np.empty(0, int), np.empty(0, int)
    found = count_scores(*nobody, floor=0.0, bins=2, tail_limit=5, full_range=4)
    assert found.impostor_pairs.sum() == found.unknown_pairs == len(found.tail) == len(found.genuine_scores) == 0


@pytest.mark.parametrize(
    ("value", "fault"), [(0.0, "zero"), (np.nan, "not finite"), (np.inf, "not finite"), (1e7, "1e\\+07")]
)
@pytest.mark.parametrize("kernels", ["numba", "numpy"])
def test_a_row_that_is_no_direction_is_refused_by_its_number(value: float, fault: str, kernels: Any) -> None:
    rows = np.ones((9, 5), np.float32)
    rows[4] = 0 if value == 0 else rows[4]
    rows[4, 2] = value
    with pytest.raises(MatchingError, match=f"row 4 .*{fault}"):
        count_scores(rows, np.arange(9), np.zeros(9, int), floor=0.0, bins=2, tail_limit=5, kernels=kernels)
    probes = Probes(rows, np.arange(9), np.zeros(9, int))
    with pytest.raises(MatchingError, match=f"probes: row 4 .*{fault}"):
        count_scores(
            rows[:3], np.arange(3), np.zeros(3, int), floor=0.0, bins=2, tail_limit=5, probes=probes, kernels=kernels
        )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"floor": 1.0}, "floor"),
        ({"floor": float("nan")}, "floor"),
        ({"bins": 0}, "bins"),
        ({"tail_limit": -1}, "tail_limit"),
        ({"workers": 0}, "workers"),
        ({"full_range": 0}, "full_range"),
        ({"shape": TileShape(0, 5)}, "shape"),
        ({"filter": "int4"}, "int4"),
        ({"kernels": "cython"}, "cython"),
        ({"names": ("one",)}, "names"),
        ({"names": ("one", "one")}, "names"),
        ({"exclude": np.array([[0, 9]])}, "line 0"),
        ({"exclude": np.zeros((2, 3), int)}, "exclude"),
        ({"shard": (2, 2)}, "shard"),
        ({"device": "cuda"}, "cuda"),
        ({"subjects": np.zeros(3)}, "subjects"),
        ({"groups": np.array([0, 1, -2])}, "groups: row 2"),
        ({"embeddings": np.ones((3, 4))}, "float32"),
        ({"embeddings": np.ones((3, 0), np.float32)}, "depth"),
        ({"full_range": 4, "filter": "int8"}, "full_range"),
        ({"probes": Probes(np.ones((2, 5), np.float32), np.arange(2), np.zeros(2, int))}, "depth 4 against 5"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(change: dict[str, Any], fault: str) -> None:
    given = {
        "embeddings": np.ones((3, 4), np.float32),
        "subjects": np.arange(3),
        "groups": np.array([0, 1, 1]),
        "floor": 0.0,
        "bins": 2,
        "tail_limit": 5,
        "filter": "float32",
    }
    with pytest.raises(MatchingError, match=fault):
        count_scores(**(given | change))
