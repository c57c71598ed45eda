"""The filter of float32 products over the first principal components, or over all of them, compared in registers.

Real templates are far from isotropic: most of what two rows have in common lies in few directions. Rows are turned by an
orthonormal matrix Q, x = Q'a and z = Q'b, so that a.b = x.z; the first k components make the product, the next m settle
most pairs that pass it, and by Cauchy-Schwarz

    |a.b - x1.z1| <= |x2| |z2| + rounding,

where x2 is what lies beyond the first k. Rows are ordered by |x2| within a super-block, so that the largest of a block is
close to each. Whatever Q and k are, no pair is lost: they decide the time alone.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facegap.matching.kernels import Kernels, Norms
from facegap.matching.rows import Float32Array, aligned_zeros, padded_depth, round_up
from facegap.types import AnyArray, FloatArray, IntArray

NAME = re.compile(r"((?P<base>int8|amx)-)?prefix(?P<first>[1-9]\d{0,3})", re.ASCII)
MORE = 32  # components of the second look
SAMPLED = 2048  # rows whose second moment gives the directions
SQUARE_SLACK = 1e-11  # times |a|**2: float64 rounding of a squared norm and its parts, at depth <= 4096
ROUNDING = 1e-11  # times |a||b|: float64 rounding of norms and of the defect
UNDERFLOW = 1e-30


@dataclass(frozen=True)
class Basis:
    """Orthonormal directions float64 (depth, depth), those with most of the energy first."""

    directions: FloatArray

    @functools.cached_property
    def defect(self) -> float:
        """|I - QQ'| of Q in float32, which bounds |a.b - (Q'a).(Q'b)| by defect |a||b|."""
        q = self.single.astype(np.float64)
        return float(np.linalg.norm(np.eye(len(q)) - q @ q.T)) + 1e-13

    @functools.cached_property
    def single(self) -> Float32Array:
        """The directions in float32, in which rows are turned."""
        return self.directions.astype(np.float32)

    @property
    def rounding(self) -> float:
        """|fl(Q'a) - Q'a| <= rounding |a| of a float32 product: each component as in filters.float32_left."""
        depth = len(self.directions)
        return 1.01 * depth * 2.0**-24 * float(np.sqrt(depth))

    @property
    def error(self) -> float:
        """Bound on |a.b - fl(Q'a).fl(Q'b)|, a proportion of |a||b|."""
        return self.defect + 2.01 * self.rounding


def principal_basis(embeddings: Float32Array) -> Basis:
    """Eigenvectors of the second moment of some rows, spread over the table."""
    places = np.unique(np.linspace(0, len(embeddings) - 1, min(len(embeddings), SAMPLED)).astype(np.int64))
    sample = np.ascontiguousarray(embeddings[places], np.float32)
    return basis_of_sample(sample.tobytes(), embeddings.shape[1])


@functools.lru_cache(maxsize=1)  # a filter is chosen in a basis, and then made in the same
def basis_of_sample(values: bytes, depth: int) -> Basis:
    """As principal_basis, from the float32 values of the sampled rows."""
    sample = np.frombuffer(values, np.float32).reshape(-1, depth).astype(np.float64)
    sample /= np.linalg.norm(sample, axis=1, keepdims=True)
    return Basis(np.ascontiguousarray(np.linalg.eigh(sample.T @ sample)[1][:, ::-1]))


@functools.lru_cache(maxsize=4)
def cosines(n: int) -> FloatArray:
    """Orthonormal directions (n, n) of the discrete cosine transform."""
    waves: FloatArray = np.cos(np.pi / n * np.outer(np.arange(n), np.arange(n) + 0.5)) * np.sqrt(2 / n)
    waves[0] = np.sqrt(1 / n)
    return waves


def spread(basis: Basis, first: int) -> Basis:
    """The same basis, its first directions replaced by others of the same space between which the energy is spread.

    Codes have one unit for all components, so that one much larger than the others would leave few steps to those. The
    product over the first components stays what it was.
    """
    directions = basis.directions.copy()
    directions[:, :first] = directions[:, :first] @ cosines(min(first, len(directions)))
    return Basis(directions)


@dataclass(frozen=True)
class Turned:
    """Rows in a basis, as the filter takes them; `turned[places]` are some of them.

    first : float32 (n, k), the last columns zero up to a multiple of 16
    more  : float32 (n, m)
    rest  : float64 (2, n), norms beyond the first k and beyond the first k + m components
    norm  : float64 (n,)
    """

    first: Float32Array
    more: Float32Array
    rest: FloatArray
    norm: FloatArray

    def __len__(self) -> int:
        return len(self.norm)

    def __getitem__(self, places: slice | IntArray) -> Turned:
        return Turned(self.first[places], self.more[places], self.rest[:, places], self.norm[places])


def joined(parts: Sequence[Turned]) -> Turned:
    """Consecutive parts as one."""
    return Turned(
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.more for part in parts]),
        np.concatenate([part.rest for part in parts], axis=1),
        np.concatenate([part.norm for part in parts]),
    )


def unturned(kernels: Kernels, values: Float32Array) -> Turned:
    """Rows as they stand: all components are first, and nothing is left over."""
    none = np.empty((len(values), 0), np.float32)
    return Turned(values, none, np.zeros((2, len(values))), kernels.row_norms(values))


def turn(basis: Basis, first: int, kernels: Kernels, values: Float32Array) -> Turned:
    """Rows (n, padded depth) in this basis, `first` components for the product and MORE for the second look.

    Norms are those of the turned float32 components, less what rounding may have added to them.
    """
    norm, depth = kernels.row_norms(values), len(basis.directions)
    k, m = min(first, depth), min(MORE, depth - min(first, depth))
    turned = values[:, :depth] @ basis.single[:, : k + m]
    leading = np.zeros((len(values), padded_depth(k)), np.float32)
    leading[:, :k] = turned[:, :k]
    more = np.ascontiguousarray(turned[:, k:])
    squares = np.cumsum([kernels.row_norms(part) ** 2 for part in (leading, more)], axis=0)
    least = np.maximum(0.0, np.sqrt(squares) - basis.rounding * norm) ** 2
    rest = np.sqrt(np.maximum(0.0, norm**2 * (1 + basis.defect) - least) + SQUARE_SLACK * norm**2)
    return Turned(leading, more, rest, norm)


def left_norms(turned: Turned, error: float) -> Norms:
    """Norms of left rows, for error_bound; `residual` is the rounding of everything, for a float32 product.

    error : of the basis; 0 for rows as they stand

    A float32 sum of n products is off by 1.01 n u |x||z| at most, in any order (see filters.float32_left); the rounding of
    the components to float32 adds 2 u.
    """
    terms = turned.first.shape[1] + turned.more.shape[1] + 4
    residual = (1.01 * terms * 2.0**-24 + ROUNDING + error) * turned.norm + UNDERFLOW
    return Norms(np.ones(len(turned)), residual, turned.norm, turned.norm, turned.rest[0])


def right_norms(turned: Turned) -> Norms:
    """The largest norms of a block; at least 1, so that UNDERFLOW is not made smaller by short rows."""
    norm = max(1.0, float(turned.norm.max()))
    return Norms(1.0, 0.0, norm, norm, float(turned.rest[0].max()))


def in_strips(turned: Turned) -> Any:
    """Left rows for kernels_fused.emit_fused, padded to whole tiles."""
    from facegap.matching.kernels_fused import ROWS, FusedLeft

    first = aligned_zeros((round_up(len(turned), ROWS), turned.first.shape[1]), np.float32)
    first[: len(turned)] = turned.first
    return FusedLeft(first, np.ones(len(turned)), contiguous(turned.more), contiguous(turned.rest))


def in_panels(turned: Turned) -> Any:
    """A right block for kernels_fused.emit_fused, in panels."""
    from facegap.matching.kernels_fused import COLUMNS, FusedRight, pack

    panels = round_up(len(turned), COLUMNS) // COLUMNS
    packed = aligned_zeros((panels, turned.first.shape[1], COLUMNS), np.float32)
    pack(contiguous(turned.first), packed)
    start, largest = np.zeros((panels, COLUMNS), np.float32), float(turned.rest[0].max())
    return FusedRight(packed, start, 1.0, contiguous(turned.more), contiguous(turned.rest[1]), largest)


def contiguous(values: AnyArray) -> AnyArray:
    """C-contiguous, as the loops are compiled for."""
    return np.ascontiguousarray(values)


def prefix_name(first: int, base: str) -> str:
    """The name of a filter of so many components, multiplied as `base` does."""
    return f"prefix{first}" if base == "fused" else f"{base}-prefix{first}"


def prefix_of(name: str) -> tuple[str, int] | None:
    """What multiplies, and how many components, in the name of such a filter; None for any other name."""
    found = NAME.fullmatch(name)
    return (found["base"] or "fused", int(found["first"])) if found else None
