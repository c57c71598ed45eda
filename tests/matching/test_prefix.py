"""The filter over a prefix of the components: its bound holds, its second stage drops no pair, its tiles equal numpy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.errors import MatchingError
from facegap.matching import count_scores
from facegap.matching.filters import FILTERS, filter_named, float32_limits, prefix_filter
from facegap.matching.kernels import choose_kernels, error_bound
from facegap.matching.kernels_fused import COLUMNS, FEATURES, ROWS, STRIP
from facegap.matching.kernels_numpy import NumpyKernels
from facegap.matching.prefix import MORE, Basis, prefix_of, principal_basis, turn
from facegap.matching.rows import gather
from facegap.matching.tiles import side_of
from fixtures.processors import able_to_run, products_of_codes


def uneven_rows(rng: np.random.Generator, n: int, depth: int, size: float) -> Any:
    """Rows with most of their energy in few directions, with very different norms."""
    spread = np.exp(-np.arange(depth) / max(1.0, depth / 6))
    turned = rng.standard_normal((n, depth)) * spread @ np.linalg.qr(rng.standard_normal((depth, depth)))[0]
    return (turned * 10.0 ** rng.uniform(size - 1, size, (n, 1))).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    depth=st.integers(2, 130),
    first=st.integers(1, 129),
    size=st.floats(-5, 3),
    base=st.sampled_from(["fused", "int8"]),
)
def test_no_score_is_further_from_its_product_than_the_bound(
    tools: Any, seed: int, depth: int, first: int, size: float, base: str
) -> None:
    rng, loops = np.random.default_rng(seed), choose_kernels()
    rows = uneven_rows(rng, 24, depth, size)
    rows[3] = rows[2] * np.float32(1.0001)
    basis = principal_basis(rows)
    turned = turn(basis, min(first, depth), loops, gather(rows, np.arange(24)))
    each = prefix_filter(basis, min(first, depth), base)
    with able_to_run(base):
        left, right = each.left(loops, turned[:10]), each.right(loops, turned[10:])
        products = turned.first[:10].astype(np.float64) @ turned.first[10:].T.astype(np.float64)
        if base == "int8":
            found = products_of_codes(left.codes, right.emit.args[0])[:10, :14]
            products = found * (left.norms.unit * right.norms.unit)[:, None]
    scores = tools.oracle_scores(rows[:10], rows[10:])
    assert (np.abs(products - scores) <= error_bound(left.norms, right.norms)[:, None]).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    depth=st.integers(2, 130),
    first=st.integers(1, 129),
    left_rows=st.integers(1, 3 * STRIP),
    right_rows=st.integers(1, 3 * COLUMNS),
    quantile=st.floats(0, 1),
    diagonal=st.booleans(),
    base=st.sampled_from(["fused", "int8"]),
)
def test_no_pair_that_reaches_the_floor_is_dropped_and_every_pair_comes_once(
    tools: Any,
    seed: int,
    depth: int,
    first: int,
    left_rows: int,
    right_rows: int,
    quantile: float,
    diagonal: bool,
    base: str,
) -> None:
    rng, loops = np.random.default_rng(seed), choose_kernels()
    rows = uneven_rows(rng, left_rows + right_rows, depth, 0.5)
    basis = principal_basis(rows)
    each = prefix_filter(basis, min(first, depth), base)
    assert each.turn is not None
    turned = each.turn(loops, gather(rows, np.arange(len(rows))))
    with able_to_run(base):
        left, right = each.left(loops, turned[:left_rows]), each.right(loops, turned[left_rows:])
    scores = tools.oracle_scores(rows[:left_rows], rows[left_rows:])
    floor = float(np.quantile(scores, quantile))
    limits_of = float32_limits if base == "fused" else loops.limits
    limits = limits_of(left.norms, right.norms, np.full(left_rows, floor))
    unit = left.norms.unit * right.norms.unit
    room = STRIP * right_rows  # for one strip: the loop stops after it and is called again
    i, j, p = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, each.dtype)
    assert right.emit is not None
    row, pairs = 0, list[tuple[int, int]]()
    while row < left_rows:
        found, row = right.emit(left.codes, limits, 5, 30, diagonal, row, i, j, p, 0)
        pairs += zip((i[:found] - 5).tolist(), (j[:found] - 30).tolist(), strict=True)
        own = error_bound(left.norms, right.norms)[i[:found] - 5]
        values = p[:found] * unit[i[:found] - 5]
        assert (np.abs(values - scores[i[:found] - 5, j[:found] - 30]) <= own).all()
    asked = (
        np.arange(30, 30 + right_rows) > np.arange(5, 5 + left_rows)[:, None]
        if diagonal
        else np.ones_like(scores, bool)
    )
    wanted = {tuple(pair) for pair in np.argwhere((scores >= floor) & asked).tolist()}
    assert wanted <= set(pairs)
    assert len(pairs) == len(set(pairs))
    assert all(asked[pair] for pair in pairs)


@pytest.mark.parametrize("shape", [(1, 1), (ROWS, COLUMNS), (ROWS + 1, COLUMNS + 1), (100, 130)])
@pytest.mark.parametrize("diagonal", [False, True])
def test_products_compared_in_registers_are_those_that_numpy_compares(
    rng: np.random.Generator, shape: tuple[int, int], diagonal: bool
) -> None:
    # Whole numbers, whose float32 sums are exact in any order: a limit among them must separate them identically.
    rows = rng.integers(-9, 10, (sum(shape), 32)).astype(np.float32)
    rows[:, 0] += 20
    loops, each = choose_kernels(), FILTERS["fused"]
    left, right = each.left(loops, rows[: shape[0]]), each.right(loops, rows[shape[0] :])
    products = rows[: shape[0]] @ rows[shape[0] :].T
    limits = np.floor(products.mean(axis=1)).astype(np.float32)
    ours, numpys = ([np.empty(20_000, kind) for kind in (np.int32, np.int32, np.float32)] for _ in range(2))
    assert right.emit is not None
    found, row = right.emit(left.codes, limits, 7, 9, diagonal, 0, *ours, 0)
    expected, _ = NumpyKernels().emit_above(products, limits, 7, 9, diagonal, 0, *numpys, 0)
    assert (found, row) == (expected, shape[0])
    order = np.lexsort((ours[1][:found], ours[0][:found]))
    for mine, theirs in zip(ours, numpys, strict=True):
        np.testing.assert_array_equal(mine[:found][order], theirs[:found])


def test_the_rows_of_a_super_block_come_in_the_order_of_what_the_prefix_leaves_out(rng: np.random.Generator) -> None:
    rows = uneven_rows(rng, 500, 64, 0)
    basis, loops = principal_basis(rows), choose_kernels()
    every = np.arange(500)
    from facegap.matching.rows import Rows

    side = side_of(prefix_filter(basis, 16), loops, rows, Rows(every, every, every % 3), 2)
    assert (np.diff(side.form.rest[0]) >= 0).all()
    assert sorted(side.rows.index.tolist()) == every.tolist()
    np.testing.assert_array_equal(side.values, rows[side.rows.index])
    np.testing.assert_array_equal(side.rows.group, side.rows.index % 3)
    expected = rows.astype(np.float64)[side.rows.index] @ basis.directions[:, 16:]
    # Never below the true norm; above it by what the rounding of float32 products may hide.
    hidden = 3 * (basis.rounding + basis.defect) * np.linalg.norm(side.values, axis=1) ** 2
    for rest, beyond in zip(side.form.rest, (expected, expected[:, MORE:]), strict=True):
        true = np.linalg.norm(beyond, axis=1)
        assert (rest >= true).all()
        assert (rest <= np.sqrt(true**2 + hidden)).all()


def test_the_first_directions_hold_most_of_the_energy_of_the_rows(rng: np.random.Generator) -> None:
    rows = uneven_rows(rng, 3000, 64, 0)
    directions = principal_basis(rows).directions
    np.testing.assert_allclose(directions.T @ directions, np.eye(64), atol=1e-12)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    energy = ((unit @ directions) ** 2).mean(axis=0)
    assert energy[:11].sum() > 0.8
    assert (np.diff(energy) < 0.01).all()


@pytest.mark.parametrize("depth", [1, 20, 256])
def test_a_basis_that_fits_the_rows_badly_costs_time_and_no_pair(
    rng: np.random.Generator, tools: Any, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, subjects, groups = tools.made_faces(rng, 300, depth)
    worst = np.ascontiguousarray(principal_basis(rows).directions[:, ::-1])
    monkeypatch.setattr("facegap.matching.filters.principal_basis", lambda _rows: Basis(worst))
    expected = tools.brute_force(rows, subjects, groups, floor=0.2, bins=16, group_count=3)
    for name in ("prefix1", "prefix16", "prefix200", "prefix4000"):
        found = count_scores(rows, subjects, groups, floor=0.2, bins=16, tail_limit=50, filter=name)
        tools.assert_counts(found, expected, limit=50)


def test_rows_that_differ_only_beyond_the_prefix_are_told_apart(tools: Any) -> None:
    # All rows share their first two components, and the others are parallel or opposite to those of other rows.
    angles = np.tile([1.0, -1.0], 40)[:, None] * np.linspace(0.5, 0.5001, 80)[:, None]
    rows = np.concatenate([np.full((80, 2), 0.6), angles, np.zeros((80, 61))], axis=1).astype(np.float32)
    subjects, groups = np.arange(80), np.arange(80) % 2
    scores = tools.oracle_scores(rows, rows)
    for floor in np.quantile(scores, [0.1, 0.5, 0.9, 0.99]).tolist():
        expected = tools.brute_force(rows, subjects, groups, floor=floor, bins=4, group_count=2)
        for name in ("prefix1", "prefix2", "prefix3", "int8-prefix1"):
            with able_to_run(name):
                found = count_scores(rows, subjects, groups, floor=floor, bins=4, tail_limit=100, filter=name)
            tools.assert_counts(found, expected, limit=100)


def test_a_name_says_what_multiplies_and_how_many_components() -> None:
    assert prefix_of("prefix96") == ("fused", 96)
    assert prefix_of("int8-prefix128") == ("int8", 128)
    assert prefix_of("amx-prefix64") == ("amx", 64)
    for name in (
        "prefix",
        "prefix0",
        "prefix-3",
        "prefix99999",
        "fused-prefix8",
        "graph-prefix8",
        "prefix8 ",
        "prefix٣",
    ):
        assert prefix_of(name) is None
        with pytest.raises(MatchingError, match="such as prefix96"):
            filter_named(name, rows=np.eye(4, dtype=np.float32))


def test_a_prefix_of_all_components_is_the_whole() -> None:
    assert filter_named("prefix64", rows=np.eye(64, dtype=np.float32)) is FILTERS["fused"]


def test_the_tile_fits_the_registers_that_numba_compiles_for() -> None:
    assert ((12, 32) if "+avx512f" in FEATURES else (6, 16)) == (ROWS, COLUMNS)
    assert STRIP % ROWS == 0
