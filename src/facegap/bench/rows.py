"""The rows to compare: synthetic templates with a given spectrum, or templates from a file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facegap.bench.spectra import MEASURED, MEASURED_COMPONENTS, POWER, SPECTRA
from facegap.errors import MatchingError
from facegap.matching import score_pairs
from facegap.matching.filters import filter_named, float32_limits
from facegap.matching.kernels import choose_kernels
from facegap.matching.rows import gather
from facegap.types import FloatArray, IntArray

SAMPLED_PAIRS = 400_000
MIXED = 8  # real templates per resampled one
MADE_AT_ONCE = 2048
LOOKED_AT = 512  # rows of each side used to measure the proportions of survivors


class Case(NamedTuple):
    """The data to compare: rows float32 (n, depth) with subjects and groups, and probes of a search."""

    rows: Any
    subjects: IntArray
    groups: IntArray
    probes: Any


def energy(spectrum: str, depth: int) -> FloatArray:
    """Proportion of the energy in each of `depth` directions; a measured spectrum is stretched if the depth is not 256.

    Raises
    ------
    MatchingError : an unknown name
    """
    if spectrum == "isotropic":
        return np.full(depth, 1 / depth)
    if spectrum == "power-law":
        falling = np.arange(1.0, depth + 1) ** -POWER
        return np.asarray(falling / falling.sum())
    if spectrum not in MEASURED:
        raise MatchingError(f"spectrum={spectrum!r} is not one of {', '.join(SPECTRA)}")
    at = np.arange(depth + 1) * (256 / depth)
    cumulative = np.interp(at, (0, *MEASURED_COMPONENTS), (0.0, *MEASURED[spectrum]))
    return np.asarray(np.diff(cumulative))


def face_like(
    rng: np.random.Generator, n: int, depth: int, spectrum: str = "mobileface_v2"
) -> tuple[Any, IntArray, IntArray]:
    """Synthetic embeddings float32 (n, depth) with unit rows, subjects (four rows each) and four groups.

    A row is sqrt(0.6) of its subject plus sqrt(0.4) of its own, so that genuine scores are about 0.6; the directions, randomly
    rotated, have the energy of `spectrum`, so that the spread of impostor scores is like that of real embedders.
    """
    subjects = np.arange(n) // 4
    spread = np.sqrt(energy(spectrum, depth)).astype(np.float32)
    own = rng.standard_normal((n, depth), dtype=np.float32)
    shared = rng.standard_normal((n // 4 + 1, depth), dtype=np.float32)
    turned = np.linalg.qr(rng.standard_normal((depth, depth)))[0].astype(np.float32)
    rows = (np.float32(math.sqrt(0.6)) * shared[subjects] + np.float32(math.sqrt(0.4)) * own) * spread @ turned
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows, subjects, rng.integers(0, 4, n)


def made_up(rng: np.random.Generator, rows: int, probes: int, depth: int, spectrum: str) -> Case:
    """Synthetic templates, and probes generated in the same way."""
    embeddings, subjects, groups = face_like(rng, rows + probes, depth, spectrum)
    return Case(embeddings[:rows], subjects[:rows], groups[:rows], embeddings[rows:])


def from_file(
    rng: np.random.Generator, path: Path, rows: int, probes: int, *, resample: bool = False
) -> tuple[Case, str]:
    """The first `rows` templates of a .npy file, the next ones as probes, and a description.

    Every template has a different subject. resample : create missing rows by `mixed`

    Raises
    ------
    MatchingError : the file has no float32 matrix, or too few rows
    """
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise MatchingError(f"{path}: cannot be read as a .npy file: {error}") from error
    if not isinstance(found, np.ndarray) or found.ndim != 2 or found.dtype != np.float32:
        raise MatchingError(f"{path}: need a float32 matrix (templates, depth), such as embeddings.npy of a run")
    if resample and len(found) <= MIXED:
        raise MatchingError(f"{path}: {len(found)} templates; --resample mixes {MIXED} for each row that it creates")
    if len(found) <= rows and not resample:
        raise MatchingError(
            f"{path}: {len(found)} templates; --rows {rows} leaves none as probes for a search; --resample creates more"
        )
    table = np.array(found[: rows + probes])
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    real = len(table)
    if resample and real < rows + probes:
        table = np.concatenate([table, mixed(rng, table, rows + probes - real)])
    of = f"templates of {path.name}"
    if real < rows + probes and resample:
        of = f"{min(real, rows):,} {of} and {max(rows - real, 0):,} resampled from real templates (synthetic)"
        of += "; probes resampled" if real <= rows else ""
    return Case(table[:rows], np.arange(rows), rng.integers(0, 4, rows), table[rows:]), of


def mixed(rng: np.random.Generator, templates: Any, count: int) -> Any:
    """Synthetic unit rows float32 (count, depth) with the mean and the second moment of real templates.

    Each is the mean plus MIXED centred templates with random weights whose squares sum to 1; few rows share enough of one
    template for the highest scores to come from copies.
    """
    mean = templates.mean(axis=0)
    centred = templates - mean
    rows = np.empty((count, templates.shape[1]), np.float32)
    for start in range(0, count, MADE_AT_ONCE):
        size = min(MADE_AT_ONCE, count - start)
        weights = rng.standard_normal((size, MIXED)).astype(np.float32)
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
        chosen = rng.integers(0, len(templates), (size, MIXED))
        rows[start : start + size] = mean + np.einsum("nk,nkd->nd", weights, centred[chosen])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def open_floor_of(rows: Any, probes: Any) -> float:
    """A score, to four digits, that one probe in ten reaches with some gallery row, estimated from some of the probes."""
    some = np.asarray(probes[:: max(1, len(probes) // 256)])
    return round(float(np.quantile((some @ np.asarray(rows).T).max(axis=1), 0.9)), 4)


def floor_at(fmr: float, rows: Any, subjects: IntArray, rng: np.random.Generator) -> float:
    """The score, to three digits, that a proportion `fmr` of sampled impostor pairs reaches."""
    left, right = rng.integers(0, len(rows), (2, SAMPLED_PAIRS))
    impostor = subjects[left] != subjects[right]
    scores = score_pairs(rows, left[impostor], right[impostor])
    return round(float(np.quantile(scores, 1 - fmr)), 3)


def survivors(rows: Any, name: str, floor: float) -> tuple[float, float]:
    """Proportions of sampled pairs that the first components of this prefix, and the next ones, cannot rule out."""
    loops, each = choose_kernels(), filter_named(name, rows=rows)
    assert each.turn is not None
    chosen = np.linspace(0, len(rows) - 1, 2 * LOOKED_AT).astype(np.int64)
    turned = each.turn(loops, gather(rows, chosen))
    left, right = turned[slice(0, None, 2)], turned[slice(1, None, 2)]
    limits = float32_limits(
        each.left(loops, left).norms, each.right(loops, right).norms._replace(rest=0.0), np.full(len(left), floor)
    )
    products = left.first.astype(np.float64) @ right.first.T.astype(np.float64)
    first = products + np.outer(left.rest[0], right.rest[0]) > limits[:, None]
    products += left.more.astype(np.float64) @ right.more.T.astype(np.float64)
    both = first & (products + np.outer(left.rest[1], right.rest[1]) > limits[:, None])
    return float(first.mean()), float(both.mean())
