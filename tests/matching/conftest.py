"""Simulated faces, and a reference that scores every pair in float64 with numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, Any]
PAIR = [("left", "i8"), ("right", "i8"), ("score", "f8")]


@dataclass
class Oracle:
    """The expected result of count_scores, and of its tail."""

    impostor: Array
    genuine: Array
    impostor_pairs: Array
    genuine_pairs: Array
    impostor_scores: Array  # all of them, by descending score, then left, then right
    genuine_scores: Array
    unknown_pairs: int
    full_impostor: Array
    full_genuine: Array


def oracle_scores(rows: Array, others: Array) -> Array:
    """Every score of two tables by the definition: 16 interleaved float64 sums, folded in halves; (n, m)."""
    depth = -(-rows.shape[1] // 16) * 16
    a, b = (np.pad(x, ((0, 0), (0, depth - x.shape[1]))).astype(np.float64) for x in (rows, others))
    lanes = [np.zeros((len(a), len(b))) for _ in range(16)]
    for k in range(depth):
        lanes[k % 16] = lanes[k % 16] + np.outer(a[:, k], b[:, k])
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [lanes[k] + lanes[k + half] for k in range(half)]
    return lanes[0]


def oracle_bin(score: float, edges: Array) -> int:
    """Bin of one score, found by searching the edges."""
    place = 0
    while place + 2 < len(edges) and score >= edges[place + 1]:
        place += 1
    return place


def brute_force(
    rows: Array,
    subjects: Array,
    groups: Array,
    *,
    floor: float,
    bins: int,
    group_count: int,
    exclude: Array | None = None,
    probes: tuple[Array, Array, Array] | None = None,
    full_bins: int = 8,
) -> Oracle:
    """Every pair scored in float64 and sorted into counts: no filters or blocks, numpy only."""
    others, other_subjects, other_groups = (rows, subjects, groups) if probes is None else probes
    dropped = np.zeros((len(rows), len(others)), bool)
    for pair in [] if exclude is None else exclude.tolist():
        dropped[tuple(sorted(pair) if probes is None else pair)] = True
    edges, full = np.linspace(floor, 1, bins + 1), np.linspace(-1, 1, full_bins + 1)
    size = (group_count, group_count)
    bins_of = {"impostor": bins, "genuine": bins, "full_impostor": full_bins, "full_genuine": full_bins}
    counts = {name: np.zeros((*size, n), np.int64) for name, n in bins_of.items()}
    listed: dict[str, list[Array]] = {"impostor": [], "genuine": []}
    unknown = 0
    for start in range(0, len(rows), 100):
        first = start if probes is None else 0
        scores = oracle_scores(rows[start : start + 100], others[first:])
        wanted = ~dropped[start : start + 100, first:]
        if probes is None:
            wanted &= np.arange(first, len(others)) > np.arange(start, start + len(wanted))[:, None]
        left, right = np.nonzero(wanted)
        score, left, right = scores[left, right], left + start, right + first
        known = (subjects[left] >= 0) & (other_subjects[right] >= 0) & (groups[left] >= 0) & (other_groups[right] >= 0)
        unknown += int((~known).sum())
        same = subjects[left] == other_subjects[right]
        g, h = np.minimum(groups[left], other_groups[right]), np.maximum(groups[left], other_groups[right])
        for kind, chosen in (("impostor", known & ~same), ("genuine", known & same)):
            for name, at, mask in ((kind, edges, chosen & (score >= floor)), (f"full_{kind}", full, chosen)):
                place = (g[mask] * group_count + h[mask]) * (len(at) - 1) + np.searchsorted(
                    at[1:-1], score[mask], "right"
                )
                counts[name] += np.bincount(place, minlength=counts[name].size).reshape(counts[name].shape)
            kept = chosen if kind == "genuine" else chosen & (score >= floor)
            listed[kind].append(np.rec.fromarrays([left[kept], right[kept], score[kept]], dtype=PAIR))
    nothing = np.recarray(0, PAIR)
    impostor, genuine = (np.concatenate([nothing, *listed[kind]]).view(np.recarray) for kind in ("impostor", "genuine"))
    return Oracle(
        counts["impostor"],
        counts["genuine"],
        counts["full_impostor"].sum(-1),
        counts["full_genuine"].sum(-1),
        impostor[np.lexsort((impostor.right, impostor.left, -impostor.score))],
        genuine,
        unknown,
        counts["full_impostor"],
        counts["full_genuine"],
    )


def expected_tail(listed: Array, floor: float, limit: int) -> tuple[Array, float]:
    """The tail by its definition: the highest pairs, complete ties, and the float64 above the highest one excluded."""
    if len(listed) <= limit:
        return listed, floor
    cut = listed.score[limit]
    return listed[listed.score > cut], float(np.nextafter(cut, np.inf))


def assert_counts(counts: Any, oracle: Oracle, *, limit: int, full: bool = False) -> None:
    """Check that every integer and every listed score of `counts` equals that of the reference."""
    np.testing.assert_array_equal(counts.impostor, oracle.impostor)
    np.testing.assert_array_equal(counts.genuine, oracle.genuine)
    np.testing.assert_array_equal(counts.impostor_pairs, oracle.impostor_pairs)
    np.testing.assert_array_equal(counts.genuine_pairs, oracle.genuine_pairs)
    assert counts.unknown_pairs == oracle.unknown_pairs
    tail, floor = expected_tail(oracle.impostor_scores, float(counts.edges[0]), limit)
    assert counts.tail_floor == floor
    for name in ("left", "right", "score"):
        np.testing.assert_array_equal(counts.tail[name], tail[name])
        np.testing.assert_array_equal(counts.genuine_scores[name], oracle.genuine_scores[name])
    if full:
        np.testing.assert_array_equal(counts.full_range.impostor, oracle.full_impostor)
        np.testing.assert_array_equal(counts.full_range.genuine, oracle.full_genuine)


def made_faces(
    rng: np.random.Generator, n: int, depth: int, *, clustered: bool = True, groups: int = 3
) -> tuple[Array, Array, Array]:
    """Unit rows, subjects (four rows each) and groups; clustered rows have genuine scores around 0.6."""
    subjects = np.arange(n) // 4
    rows = rng.standard_normal((n, depth))
    if clustered:
        rows = np.sqrt(0.6) * rng.standard_normal((n // 4 + 1, depth))[subjects] + np.sqrt(0.4) * rows
        # A few directions carry most of the variance, as in real embeddings.
        rows = rows * np.where(np.arange(depth) < depth * 0.3, 1.0, 0.15)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), subjects, rng.integers(0, groups, n)


def hard_faces(rng: np.random.Generator, n: int, depth: int) -> tuple[Array, Array, Array]:
    """made_faces with duplicates, an opposite row, nearly parallel rows, norms from 1e-4 to 3, and unknown rows."""
    rows, subjects, groups = made_faces(rng, n, depth)
    rows[5] = rows[1] = rows[0]
    rows[20] = -rows[22]
    rows[24:32] = rows[24] * np.linspace(1, 1.00001, 8, dtype=np.float32)[:, None]
    rows[40:44] *= np.array([[1.0003], [0.5], [3.0], [1e-4]], np.float32)
    rows[60:76] = rows[-1]
    subjects[[50, 51]], groups[[51, 52]] = -1, -1
    return rows, subjects, groups


def assert_same_counts(a: Any, b: Any) -> None:
    """Check that two ScoreCounts are equal in every integer and every listed score."""
    assert (a.groups, a.tail_floor, a.tail_limit, a.unknown_pairs) == (
        b.groups,
        b.tail_floor,
        b.tail_limit,
        b.unknown_pairs,
    )
    for name in ("edges", "impostor", "genuine", "impostor_pairs", "genuine_pairs", "tail", "genuine_scores"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert (a.row_tails is None) == (b.row_tails is None)
    for bin in range(0 if a.row_tails is None else len(a.row_tails.edges)):
        np.testing.assert_array_equal(a.row_tails.reaching(bin), b.row_tails.reaching(bin))
    assert (a.full_range is None) == (b.full_range is None)
    if a.full_range is not None:
        for name in ("edges", "impostor", "genuine"):
            np.testing.assert_array_equal(getattr(a.full_range, name), getattr(b.full_range, name), err_msg=name)


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """The functions of this file: test modules cannot import one another."""
    return SimpleNamespace(
        oracle_scores=oracle_scores,
        brute_force=brute_force,
        assert_counts=assert_counts,
        made_faces=made_faces,
        hard_faces=hard_faces,
        assert_same_counts=assert_same_counts,
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_26)
