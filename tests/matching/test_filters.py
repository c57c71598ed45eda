"""The bounds of the filters hold, their self-tests can fail, and the choice among them is explained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.errors import MatchingError
from facegap.matching import choose_filter, filters
from facegap.matching.filters import FILTERS, why_not
from facegap.matching.kernels import choose_kernels, error_bound
from facegap.matching.prefix import prefix_of
from facegap.matching.rows import gather
from fixtures.processors import able_to_run


def every_product(left: Any, right: Any) -> Any:
    """Products of all left rows with a block, whether the filter writes them or compares them with a limit."""
    products = np.empty((len(left.norms.row), right.columns), np.float32)
    if right.multiply:
        right.multiply(left.codes, products)
        return products
    i, j, p = (np.empty(100 * products.size + 10_000, np.int32) for _ in range(3))
    lowest = np.full(len(products), np.iinfo(np.int32).min, np.int32)
    found, _ = right.emit(left.codes, lowest, 0, 0, False, 0, i, j, p, 0)
    assert found == products.size
    whole = np.empty(products.shape, np.int32)
    whole[i[:found], j[:found]] = p[:found]
    return whole


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    depth=st.integers(1, 130),
    size=st.floats(-5, 3),
    name=st.sampled_from(["float32", "int8"]),
    kernels=st.sampled_from(["numba", "numpy"]),
)
def test_no_score_is_further_from_its_product_than_the_bound(
    tools: Any, seed: int, depth: int, size: float, name: str, kernels: Any
) -> None:
    rng = np.random.default_rng(seed)
    rows = (rng.standard_normal((24, depth)) * 10.0 ** rng.uniform(size - 1, size, (24, 1))).astype(np.float32)
    rows[3] = rows[2] * np.float32(1.0001)
    values, loops = gather(rows, np.arange(24)), choose_kernels(kernels)
    with able_to_run(name):
        left, right = FILTERS[name].left(loops, values[:10]), FILTERS[name].right(loops, values[10:])
        products = every_product(left, right)
    scores = tools.oracle_scores(rows[:10], rows[10:])
    value = products * (left.norms.unit * right.norms.unit)[:, None]
    assert (np.abs(value - scores) <= error_bound(left.norms, right.norms)[:, None]).all()


@pytest.mark.parametrize("kernels", ["numba", "numpy"])
def test_the_measured_norms_are_those_of_the_codes(rng: np.random.Generator, tools: Any, kernels: Any) -> None:
    values, loops = tools.made_faces(rng, 40, 64)[0], choose_kernels(kernels)
    codes = np.zeros(values.shape, np.uint8)
    norms = loops.quantise_left(values, codes, 128, 127)
    quantised = (codes.astype(np.int64) - 128) * norms.unit[:, None]
    for name, rows in (("residual", values - quantised), ("quantised", quantised), ("row", values.astype(float))):
        np.testing.assert_allclose(getattr(norms, name), np.linalg.norm(rows, axis=1), rtol=1e-9)
    unit = float(np.abs(values).max()) / 200  # so small that some components are clipped
    block, columns = loops.worst_norms(values, unit, 127), loops.codes_of_columns(values, unit, 127)
    assert np.abs(columns).max() == 127
    np.testing.assert_allclose(block.residual, np.linalg.norm(values - columns.T * unit, axis=1).max(), rtol=1e-9)


@pytest.mark.skipif(bool(why_not("amx")), reason=why_not("amx"))
def test_the_matrix_unit_finds_the_pairs_that_integer_products_find(rng: np.random.Generator, tools: Any) -> None:
    values, loops = tools.made_faces(rng, 150, 100)[0], choose_kernels()
    values = gather(values, np.arange(150))
    left, right = filters.amx_left(loops, values[:77]), filters.amx_right(loops, values[77:])
    codes = loops.codes_of_columns(values[77:], right.norms.unit, 127).astype(np.int64)
    products = left.codes[:77, : values.shape[1]].astype(np.int64) @ codes
    limit = np.quantile(products, 0.9, axis=1).astype(np.int32)
    i, j, p = (np.empty(70_000, np.int32) for _ in range(3))
    assert right.emit is not None
    for diagonal in (False, True):
        found, row = right.emit(left.codes, limit, 5, 30, diagonal, 0, i, j, p, 0)
        wanted = products > limit[:, None]
        if diagonal:
            wanted &= np.arange(30, 103) > np.arange(5, 82)[:, None]
        assert row == 77
        np.testing.assert_array_equal(p[:found], products[i[:found] - 5, j[:found] - 30])
        assert sorted(zip(i[:found] - 5, j[:found] - 30, strict=True)) == [
            tuple(p) for p in np.argwhere(wanted).tolist()
        ]


def test_few_rows_and_a_full_range_need_no_trial(rng: np.random.Generator, tools: Any) -> None:
    rows = tools.made_faces(rng, 100, 16)[0]
    assert choose_filter(rows, floor=0.3) == choose_filter(rows, floor=0.3)
    assert "only 100 rows" in choose_filter(rows, floor=0.3).reason
    assert "histogram" in choose_filter(rows, floor=0.3, full_range=True).reason


def test_the_choice_names_the_time_of_every_filter_tried_and_why_the_others_were_not(
    rng: np.random.Generator, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facegap.matching.choice.FEW_ROWS", 4100)
    rows = tools.made_faces(rng, 4100, 64)[0]
    chosen = choose_filter(rows, floor=0.5)
    assert chosen.name in FILTERS or prefix_of(chosen.name)
    assert all(name in chosen.reason for name in ["fused", "int8", "amx", "prefix48", "prefix32"])
    monkeypatch.setattr("facegap.matching.choice.why_not", lambda name, *_rest: "" if name == "float32" else "not here")
    assert choose_filter(rows, floor=0.5).name == "float32"
    assert "no int8: not here" in choose_filter(rows, floor=0.5).reason


def test_without_numba_numpy_does_the_work_and_a_promise_of_numba_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facegap.matching.kernels.numba_is_installed", lambda: False)
    assert type(choose_kernels("auto")).__name__ == "NumpyKernels"
    with pytest.raises(MatchingError, match="pip install numba"):
        choose_kernels("numba")
