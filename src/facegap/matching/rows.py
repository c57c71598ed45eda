"""Embedding rows as input: checked, reported by number if unfit, and divided into sorted super-blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facegap.errors import MatchingError
from facegap.types import IntArray

Float32Array = NDArray[np.float32]

LANES = 16  # partial sums of a score; part of its definition, see kernels.py
LARGEST_DEPTH = 4096  # for which the bounds on rounding in filters.py are derived
LARGEST_COMPONENT = 1e6  # products of rows stay well within float32
SUPER_ROWS = 32_768  # rows of a super-block
SUPER_VALUES = 32_768 * 512  # and float32 values in it: 64 MiB for any depth
TILE_ROWS, TILE_DEPTH = 16, 64  # of a register of the matrix unit, see kernels_amx.py
CHECK_ROWS = 4096  # rows read at once from an array that may be memory-mapped


class LargestOfRows(Protocol):
    """The only inner loop that is needed here; see kernels.py."""

    def largest_of_rows(self, values: NDArray[Any], out: NDArray[Any]) -> None:
        """Write max |x| of each float32 row to out; a NaN in a row makes its maximum NaN."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a table: their row numbers, subjects and groups.

    index   : int64 (n,)
    subject : int64 (n,), a distinct number per subject
    group   : int64 (n,), codes 0..G-1
    """

    index: IntArray
    subject: IntArray
    group: IntArray

    def __len__(self) -> int:
        return len(self.index)

    def take(self, places: Any) -> Rows:
        """The rows at `places`, a slice or an index array."""
        return Rows(self.index[places], self.subject[places], self.group[places])


def largest_components(embeddings: NDArray[Any], kernels: LargestOfRows, name: str = "embeddings") -> Float32Array:
    """max |x| of each row, float32 (n,), of embeddings that are fit for comparison.

    Raises
    ------
    MatchingError : if it is not a float32 matrix of depth 1 to 4096, or a row is zero, not finite, or beyond 1e6
    """
    require_matrix(embeddings, name)
    largest = np.empty(len(embeddings), np.float32)
    for start in range(0, len(embeddings), CHECK_ROWS):
        kernels.largest_of_rows(embeddings[start : start + CHECK_ROWS], largest[start : start + CHECK_ROWS])
    refuse_unfit(largest, name)
    return largest


def require_matrix(embeddings: NDArray[Any], name: str) -> None:
    """Raise MatchingError unless `embeddings` is a float32 matrix of a depth for which the bounds hold."""
    if embeddings.ndim != 2 or embeddings.dtype != np.float32:
        raise MatchingError(f"{name}: need a float32 matrix (rows, depth); got {embeddings.dtype} {embeddings.shape}")
    if not 1 <= embeddings.shape[1] <= LARGEST_DEPTH:
        raise MatchingError(f"{name}: depth must be 1 to {LARGEST_DEPTH}; got {embeddings.shape[1]}")


def refuse_unfit(largest: Float32Array, name: str) -> None:
    """Raise MatchingError for the first unfit row; `largest` is max |x| of each row."""
    unfit = np.flatnonzero(~((largest > 0) & (largest < LARGEST_COMPONENT)))
    if not len(unfit):
        return
    value = largest[unfit[0]]
    known = "is zero" if value == 0 else "is not finite" if not np.isfinite(value) else ""
    others = f" and {len(unfit) - 1} more" if len(unfit) > 1 else ""
    raise MatchingError(
        f"{name}: row {unfit[0]} {known or f'has a component of {value:.3g}'}{others}; "
        "omit the faces without an embedding, and normalise the others"
    )


def refuse_unfit_among(embeddings: NDArray[Any], rows: IntArray, name: str) -> None:
    """Like refuse_unfit, for a few rows only."""
    largest = np.ones(len(embeddings), np.float32)
    largest[rows] = np.abs(embeddings[rows]).max(axis=1, initial=0)
    refuse_unfit(largest, name)


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Zeros aligned to 64 bytes: a row that straddles two cache lines takes twice as long to load."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    zeros: NDArray[Any] = raw[start : start + size].view(dtype).reshape(shape)
    return zeros


def round_up(n: int, step: int) -> int:
    """The next multiple of `step`."""
    return -(-n // step) * step


def padded_depth(depth: int) -> int:
    """Depth of rows in memory."""
    return round_up(depth, LANES)


def super_rows(depth: int) -> int:
    """Number of rows in a super-block of this depth."""
    return min(SUPER_ROWS, SUPER_VALUES // padded_depth(depth))


def gather(embeddings: NDArray[Any], index: IntArray) -> Float32Array:
    """Rows at `index` as a C-contiguous float32 matrix with zero columns up to a multiple of LANES."""
    depth = embeddings.shape[1]
    if depth == padded_depth(depth) and len(embeddings):
        # The indices are in range; without `clip`, numpy would copy the whole block through a buffer.
        return np.take(embeddings, index, axis=0, out=np.empty((len(index), depth), np.float32), mode="clip")
    values = np.zeros((len(index), padded_depth(depth)), np.float32)
    for start in range(0, len(index), CHECK_ROWS):
        part = slice(start, start + CHECK_ROWS)
        values[part, :depth] = embeddings[index[part]]
    return values


def rows_of(embeddings: NDArray[Any], index: IntArray) -> Float32Array:
    """Return the rows at an ascending `index`, as `gather` does but without a copy if they are neighbours."""
    depth = embeddings.shape[1]
    neighbours = len(index) > 0 and index[-1] - index[0] + 1 == len(index)
    if neighbours and depth == padded_depth(depth) and embeddings.dtype == np.float32 and embeddings.flags.c_contiguous:
        return embeddings[index[0] : index[-1] + 1]
    return gather(embeddings, index)


def super_blocks(rows: Rows, largest: Float32Array, size: int) -> list[Rows]:
    """Consecutive parts of `rows` of `size` each (the last may be shorter), each sorted by `largest` of its rows.

    largest : of every row of the table. With one quantisation unit for a block of unsorted rows, the error bound
              would be about ten times wider.
    """
    parts = [rows.take(slice(start, start + size)) for start in range(0, len(rows), size)]
    return [part.take(np.argsort(largest[part.index], kind="stable")) for part in parts]
