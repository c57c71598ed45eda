"""Score drift between two runs on the same comparisons, by group."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.compare.flips import all_cells, may_share_scores
from facegap.compare.same_pairs import SamePairs, keys_of, same_pairs
from facegap.compare.shared_people import Together
from facegap.derive.comparisons import PairRows, both, without
from facegap.derive.groupings import Cells
from facegap.derive.metrics import FMR, FNMR
from facegap.derive.primary import primary_family
from facegap.derive.quality_values import MARGIN_SD
from facegap.derive.quality_values import verdict as verdict_of
from facegap.statistics.pair_means import PairMean, mean_gap, pair_mean
from facegap.statistics.verdicts import EXPLORATORY, UNKNOWN
from facegap.store.run import Run
from facegap.types import FloatArray, IntArray

MOST_PAIRS = 100_000  # non-mated comparisons per group; if there are more, a random sample is used
KINDS = ("genuine", "impostor")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
Scored = tuple[PairRows, FloatArray, FloatArray]  # comparisons with their scores in the first and in the other run


def drift_of(
    runs: Together, *, min_subjects: int, level: float, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Score drift by group, the differences between groups, and notes on what could not be computed.

    All mated comparisons of both runs are used. Non-mated ones are scored from the templates that both runs stored, at most
    MOST_PAIRS within each group, sampled with `seed`; if both runs compared listed pairs, these are used.
    """
    groups: list[dict[str, Any]] = []
    gaps: list[dict[str, Any]] = []
    notes: list[str] = []
    for other in range(1, len(runs.runs)):
        pairs = same_pairs(runs, other) if may_share_scores(runs.runs[0], runs.runs[other]) else None
        if pairs is None:
            continue
        for kind in KINDS if pairs.one_design else KINDS[:1]:
            whole = listed_scores(pairs, kind)
            if kind == "impostor" and whole is None and not kept_templates(runs, other):
                notes.append(
                    f"{runs.labels[other]}: no drift of non-mated scores: this needs templates, which one of the two "
                    f"runs does not contain"
                )
                continue
            scale = np.nan
            for cells in all_cells(runs):
                rng = np.random.default_rng([seed, other])
                found: dict[int, PairMean] = {}
                for k, group in enumerate(cells.groups):
                    rows, before, after = (
                        inside(whole, cells.codes == k) if whole else sampled(runs, other, pairs, cells.codes == k, rng)
                    )
                    if not cells.grouping:
                        scale = float(before.std()) if len(before) else np.nan
                    row, mean = drift_row(pairs, rows, after - before, level)
                    ranked = bool(cells.known[k] and mean.people >= min_subjects)
                    place = place_of(runs, other, kind, cells)
                    groups.append(place | {"group": str(group), "ranked": ranked, **row})
                    if ranked:
                        found[k] = mean
                if cells.grouping:
                    gaps += gap_rows(runs, other, kind, cells, found, scale)
    return pd.DataFrame(groups), pd.DataFrame(gaps), notes


def place_of(runs: Together, other: int, kind: str, cells: Cells) -> dict[str, Any]:
    """The columns that identify which rows belong together."""
    return {"run_a": runs.labels[0], "run_b": runs.labels[other], "kind": kind, "family": "*".join(cells.grouping)}


def drift_row(pairs: SamePairs, rows: PairRows, drift: FloatArray, level: float) -> tuple[dict[str, Any], PairMean]:
    """Mean and quantiles of the drift of some comparisons."""
    varying = pairs.first.varying
    mean = pair_mean(drift, varying[rows[:, 0]], varying[rows[:, 1]])
    low, high = mean.interval(1 - level)
    quantiles = np.quantile(drift, QUANTILES) if len(drift) else np.full(len(QUANTILES), np.nan)
    return {
        "pairs": mean.pairs,
        "subjects": len(np.unique(pairs.first.subjects[rows])),
        "mean": mean.value,
        "low": low,
        "high": high,
        "level": level,
        **{f"quantile_{round(100 * q):02d}": float(v) for q, v in zip(QUANTILES, quantiles, strict=True)},
    }, mean


def gap_rows(
    runs: Together, other: int, kind: str, cells: Cells, found: Mapping[int, PairMean], scale: float
) -> list[dict[str, Any]]:
    """The difference in mean drift between every two groups, adjusted by Bonferroni.

    A family has the pairs of groups of all primary groupings, mated and non-mated, in all other runs, with alpha split evenly
    over groupings, kinds and runs; an exploratory grouping is its own family for each kind and run.

    scale : standard deviation of the scores of the first run; differences of MARGIN_SD of it or more are relevant
    """
    record = runs.runs[0].record
    named = primary_family(record, [FNMR.name, FMR.name])
    primary = cells.grouping in named.groupings
    pairs = list(combinations(found, 2))
    groupings = sum(1 for grouping in named.groupings if grouping)
    tests = len(pairs) * (len(KINDS) * (len(runs.runs) - 1) * groupings if primary else 1)
    rows = []
    for a, b in pairs:
        gap = mean_gap(found[a], found[b])
        low, high = gap.interval(record.alpha / tests)
        shared = share_people(runs, cells, a, b)
        margin = MARGIN_SD * scale
        said = UNKNOWN if shared else verdict_of(low, high, margin)
        rows.append(
            place_of(runs, other, kind, cells)
            | {
                "group_a": str(cells.groups[a]),
                "group_b": str(cells.groups[b]),
                "mean_a": found[a].value,
                "mean_b": found[b].value,
                "difference": gap.value,
                "p": gap.p,
                "p_adjusted": min(1.0, gap.p * tests) if np.isfinite(gap.p) else np.nan,
                "decided_low": low,
                "decided_high": high,
                "decided_level": 1 - record.alpha / tests,
                "margin": margin,
                "primary": primary,
                "verdict": said if primary else EXPLORATORY,
            }
        )
    return rows


def share_people(runs: Together, cells: Cells, a: int, b: int) -> bool:
    """Whether any person (or sampling unit) has images in both groups."""
    varying = runs.subjects if runs.units is None else runs.units
    return bool(np.isin(varying[cells.codes == a], varying[cells.codes == b]).any())


# ---- selection of comparisons ----


def listed_scores(pairs: SamePairs, kind: str) -> Scored | None:
    """The comparisons that both runs list, with their scores; None for non-mated ones of which only the highest are listed."""
    if kind == "genuine":
        return pairs.genuine, pairs.genuine_a, pairs.genuine_b
    if not pairs.first.listed_only:
        return None
    size = len(pairs.usable)
    sides = []
    for one in (pairs.first, pairs.other):
        kept = both(pairs.usable, one.impostor) & np.isfinite(one.impostor_scores)
        keys, places = np.unique(keys_of(one.impostor[kept], size), return_index=True)
        sides.append((keys, one.impostor_scores[kept][places]))
    common, here, there = np.intersect1d(sides[0][0], sides[1][0], assume_unique=True, return_indices=True)
    rows = np.stack(np.divmod(common, size), axis=1).astype(np.int64).reshape(-1, 2)
    return rows, sides[0][1][here], sides[1][1][there]


def inside(scored: Scored, group: np.ndarray[Any, Any]) -> Scored:
    """The comparisons within a group."""
    rows, before, after = scored
    kept = both(group, rows)
    return rows[kept], before[kept], after[kept]


def sampled(
    runs: Together, other: int, pairs: SamePairs, group: np.ndarray[Any, Any], rng: np.random.Generator
) -> Scored:
    """Non-mated comparisons within a group, scored from the templates of both runs."""
    rows = stranger_pairs(np.flatnonzero(group & pairs.usable), pairs.first.subjects, pairs.excluded, rng)
    scores = [scores_of(runs.runs[k], runs.rows[k][rows]) for k in (0, other)]
    return rows, scores[0], scores[1]


def stranger_pairs(members: IntArray, subjects: IntArray, excluded: PairRows, rng: np.random.Generator) -> PairRows:
    """Distinct pairs of images of different people: all of them, or MOST_PAIRS at random without same-person pairs; excluded
    pairs are omitted.
    """
    left, right = distinct_pairs(len(members), MOST_PAIRS, rng)
    rows = np.stack([members[left], members[right]], axis=1)
    kept = (subjects[rows[:, 0]] != subjects[rows[:, 1]]) & without(rows, excluded, len(subjects))
    return np.asarray(rows[kept], np.int64)


def distinct_pairs(count: int, most: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Unordered pairs of `count` items, each once: all, or `most` of them at random; the smaller index first.

    Examples
    --------
    >>> left, right = distinct_pairs(3, 10, np.random.default_rng(0))
    >>> left.tolist(), right.tolist()
    ([0, 0, 1], [1, 2, 2])
    """
    there = count * (count - 1) // 2
    chosen = np.arange(there) if there <= most else rng.choice(there, most, replace=False)
    # Pair (left, right) has the index right (right - 1) / 2 + left.
    right = np.floor((1 + np.sqrt(1 + 8.0 * chosen)) / 2).astype(np.int64)
    right += right * (right + 1) // 2 <= chosen  # correct for rounding
    right -= right * (right - 1) // 2 > chosen
    return chosen - right * (right - 1) // 2, right


def kept_templates(runs: Together, other: int) -> bool:
    """Whether both runs stored a template of each face."""
    return all(run.embeddings is not None for run in (runs.runs[0], runs.runs[other]))


def scores_of(run: Run, rows: PairRows) -> FloatArray:
    """Cosine of the templates of pairs of rows of a run."""
    assert run.embeddings is not None
    place = np.cumsum((run.faces["outcome"] == "ok").to_numpy(np.bool_)) - 1
    templates: NDArray[np.float32] = np.asarray(run.embeddings)
    left, right = (templates[place[rows[:, side]]] for side in (0, 1))
    return np.asarray(np.einsum("ij,ij->i", left, right, dtype=np.float64))
