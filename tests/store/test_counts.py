"""Score counts are read back exactly, and an inconsistent file is rejected."""

from __future__ import annotations

import io
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.errors import RunError
from facegap.matching import count_scores
from facegap.store.counts import scores_from_npz, scores_to_npz
from facegap.types import ScoreCounts


@pytest.fixture
def counts() -> ScoreCounts:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((60, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    subjects, groups = np.arange(60) // 3, np.arange(60) % 2
    subjects[7] = -1
    return count_scores(
        rows,
        subjects,
        groups,
        floor=0.2,
        bins=16,
        tail_limit=40,
        full_range=8,
        row_edges=[0, 3, 9],
        names=("darker female", "lighter männlich"),
    )


def stored(counts: ScoreCounts) -> io.BytesIO:
    file = io.BytesIO()
    scores_to_npz(counts, file)
    file.seek(0)
    return file


def of_rows(counts: ScoreCounts, **changes: Any) -> ScoreCounts:
    assert counts.row_tails is not None
    return replace(counts, row_tails=replace(counts.row_tails, **changes))


def assert_same(a: Any, b: Any) -> None:
    for field in fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if field.name in ("full_range", "row_tails"):
            assert (x is None) == (y is None)
            if x is not None:
                assert_same(x, y)
        elif field.name == "parts":
            assert list(x) == list(y)
            for number in x:
                assert x[number].dtype == y[number].dtype == np.int32
                np.testing.assert_array_equal(x[number], y[number])
        elif isinstance(x, np.ndarray):
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x, y)
        else:
            assert x == y
            assert type(x) is type(y)


@pytest.mark.parametrize("full", [True, False])
def test_counts_read_back_are_those_written_to_the_last_bit(counts: ScoreCounts, full: bool, tmp_path: Path) -> None:
    counts = counts if full else replace(counts, full_range=None, row_tails=None)
    scores_to_npz(counts, tmp_path / "counts.npz")
    assert_same(scores_from_npz(tmp_path / "counts.npz"), counts)


def test_rows_in_several_parts_are_read_back(counts: ScoreCounts, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("facegap.types.row_tails", "facegap.store.counts"):
        monkeypatch.setattr(f"{module}.PART_ROWS", 8)
    assert counts.row_tails is not None
    (whole,) = counts.row_tails.parts.values()
    parts = {number: whole[8 * number : 8 * number + 8] for number in range(8)}
    counts = replace(counts, row_tails=replace(counts.row_tails, parts=parts))
    assert_same(scores_from_npz(stored(counts)), counts)


def test_the_same_counts_are_stored_as_the_same_bytes(counts: ScoreCounts) -> None:
    assert stored(counts).getvalue() == stored(counts).getvalue()


def test_a_sum_of_stored_counts_is_the_sum_of_the_counts(counts: ScoreCounts) -> None:
    assert_same(scores_from_npz(stored(counts)) + counts, counts + counts)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda c: replace(c, impostor=c.impostor - 1), "negative"),
        (lambda c: replace(c, impostor_pairs=c.impostor_pairs * 0), "more impostor pairs"),
        (lambda c: replace(c, genuine_scores=c.genuine_scores[:-1]), "genuine scores"),
        (lambda c: replace(c, genuine_scores=c.genuine_scores[::-1]), "sorted"),
        (lambda c: replace(c, tail=c.tail[::-1]), "sorted"),
        (lambda c: replace(c, tail_limit=3), "longer"),
        (lambda c: replace(c, tail_floor=2.0), "below its floor"),
        (lambda c: replace(c, tail_floor=float(c.edges[0])), "nothing was cut"),
        (lambda c: replace(c, edges=c.edges[::-1]), "increase"),
        (lambda c: replace(c, impostor=c.impostor[:, :, 1:]), "impostor|edges"),
        (lambda c: replace(c, groups=("one",)), "impostor"),
        (lambda c: of_rows(c, edges=c.row_tails.edges[::-1]), "rise"),
        (lambda c: of_rows(c, edges=c.row_tails.edges + 1e-9), "not edges|rise"),
        (lambda c: of_rows(c, edges=c.row_tails.edges + 1), "rise"),
        (lambda c: of_rows(c, rows=59), "fit 59 rows"),
        (lambda c: of_rows(c, parts={0: c.row_tails.parts[0].astype(np.int64)}), "int64"),
        (lambda c: of_rows(c, parts={1: c.row_tails.parts[0]}), "fit"),
        (lambda c: of_rows(c, parts={0: -c.row_tails.parts[0]}), "negative"),
        (lambda c: of_rows(c, parts={0: c.row_tails.parts[0] + 1}), "differ"),
        (lambda c: of_rows(c, parts={}), "differ"),
    ],
)
def test_counts_that_contradict_each_other_are_refused(counts: ScoreCounts, change: Any, fault: str) -> None:
    with pytest.raises(RunError, match=fault):
        scores_from_npz(stored(change(counts)))


def test_a_file_that_is_no_npz_or_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no zip")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", format=np.array([{}], dtype=object))
    for name in ("text", "other", "pickled", "missing"):
        with pytest.raises(RunError, match=name):
            scores_from_npz(tmp_path / f"{name}.npz")
