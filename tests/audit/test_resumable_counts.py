"""Comparisons of everyone with everyone that are broken off and taken up: the same integers, and nothing counted twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.audit import resumable_counts
from facegap.audit.resumable_counts import ResumableCounter, comparison_hash
from facegap.matching import count_scores, rows
from facegap.matching.counts import plan
from facegap.store.checksums import PARTS
from facegap.types import ScoreCounts

N, SUPER = 260, 64  # 5 super-blocks, 15 blocks


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Super-blocks of few rows, and counts that are kept after every block."""
    monkeypatch.setattr(rows, "SUPER_ROWS", SUPER)
    monkeypatch.setattr(resumable_counts, "KEEP_EVERY_S", 0.0)
    monkeypatch.setattr(resumable_counts, "KEPT_SHARE", np.inf)
    monkeypatch.setattr(resumable_counts, "TOGETHER", 2)


def arguments(tail_limit: int = 300) -> tuple[tuple[Any, Any, Any], dict[str, Any]]:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(N, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    words = {"floor": 0.2, "bins": 32, "tail_limit": tail_limit, "names": ["a", "b", "c"], "workers": 1}
    words |= {"exclude": np.array([(0, 1), (5, 200)]), "filter": "float32", "full_range": 20}
    words |= {"row_edges": [0, 4, 10]}
    return (vectors, np.arange(N) // 3, rng.integers(0, 3, N)), words


def require_equal(one: ScoreCounts, other: ScoreCounts) -> None:
    for name in ("edges", "impostor", "genuine", "impostor_pairs", "genuine_pairs", "tail", "genuine_scores"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.row_tails is not None and other.row_tails is not None
    for bin in range(len(one.row_tails.edges)):
        np.testing.assert_array_equal(one.row_tails.reaching(bin), other.row_tails.reaching(bin))
    assert (one.tail_floor, one.unknown_pairs) == (other.tail_floor, other.unknown_pairs)
    assert one.full_range is not None and other.full_range is not None
    np.testing.assert_array_equal(one.full_range.impostor, other.full_range.impostor)
    np.testing.assert_array_equal(one.full_range.genuine, other.full_range.genuine)


def broken_off(monkeypatch: pytest.MonkeyPatch, folder: Path, after: int) -> int:
    """Count until `after` handfuls are counted, and stop there as if killed; how many blocks were counted."""
    given, words = arguments()
    real, blocks = resumable_counts.count_blocks, 0

    def killed(some: Any, *others: Any) -> ScoreCounts:
        nonlocal after, blocks
        if not after:
            raise KeyboardInterrupt
        after, blocks = after - 1, blocks + len(some)
        return real(some, *others)

    with monkeypatch.context() as patched:
        patched.setattr(resumable_counts, "count_blocks", killed)
        with pytest.raises(KeyboardInterrupt):
            ResumableCounter(folder)(*given, **words)
    return blocks


@pytest.mark.parametrize("after", [1, 4, 7])
def test_what_was_broken_off_goes_on_from_finished_blocks_to_the_same_integers(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    given, words = arguments()
    whole = count_scores(*given, **words)
    assert len(whole.tail) and whole.tail_floor > 0.2  # the list was cut
    done = broken_off(monkeypatch, tmp_path, after)
    counted, real = [], resumable_counts.count_blocks
    monkeypatch.setattr(
        resumable_counts, "count_blocks", lambda some, *others: (counted.append(len(some)), real(some, *others))[1]
    )
    counter = ResumableCounter(tmp_path)
    require_equal(counter(*given, **words), whole)
    assert sum(counted) == 15 - done
    assert counter.earlier_ns > 0
    counted.clear()
    require_equal(ResumableCounter(tmp_path)(*given, **words), whole)  # all of it was kept
    assert counted == []


@pytest.mark.parametrize("damage", ["cut", "edited", "blocks", "empty"])
def test_damaged_counts_are_counted_again(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    broken_off(monkeypatch, tmp_path, 3)
    (kept,) = (tmp_path / PARTS).iterdir()
    content = kept.read_bytes()
    middle = len(content) // 2
    kept.write_bytes(
        {
            "cut": content[:middle],
            "edited": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "blocks": content.replace(b": 4 blocks", b": x blocks").replace(b": 5 blocks", b": x blocks"),
            "empty": b"",
        }[damage]
    )
    given, words = arguments()
    counter = ResumableCounter(tmp_path)
    require_equal(counter(*given, **words), count_scores(*given, **words))
    assert counter.earlier_ns == 0


def test_another_comparison_takes_nothing_up(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_off(monkeypatch, tmp_path, 3)
    (vectors, subjects, groups), words = arguments()
    others = [
        ((vectors[:, ::-1].copy(), subjects, groups), words),
        ((vectors, subjects // 2, groups), words),
        ((vectors, subjects, groups[::-1].copy()), words),
        ((vectors, subjects, groups), {**words, "exclude": np.array([(0, 1)])}),
        ((vectors, subjects, groups), {**words, "tail_limit": 301}),
        ((vectors, subjects, groups), {**words, "floor": 0.21}),
        ((vectors, subjects, groups), {**words, "row_edges": [0, 4, 11]}),
    ]
    for given, changed in others:
        counter = ResumableCounter(tmp_path)
        require_equal(counter(*given, **changed), count_scores(*given, **changed))
        assert counter.earlier_ns == 0
    fixed = {"probes": None, "device": "cpu", "kernels": "auto", "shape": None}
    hashes = {comparison_hash(plan(*given, **{**changed, **fixed})) for given, changed in [arguments(), *others]}
    assert len(hashes) == 8


def test_one_block_is_not_kept(tmp_path: Path) -> None:
    given, words = arguments()
    require_equal(ResumableCounter(tmp_path)(*given, **words), count_scores(*given, **words))
    assert not (tmp_path / PARTS).exists()
