"""Repeat the comparisons of a finished run from its stored templates: to check them, or after a subject was removed.

The order of summation of scores is fixed (matching/kernels.py), so they are equal on every processor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from facegap.audit.thresholds import EVALUATION, Templates
from facegap.audit.verify import positions
from facegap.derive.comparisons import counted_groups
from facegap.derive.groupings import Grouping
from facegap.errors import RunError
from facegap.matching import count_scores, score_pairs, with_sampled_range
from facegap.runtime import usable_cores
from facegap.store.run import Matched, Run
from facegap.types import BoolArray, RowTails, ScoreCounts


def stored_templates(run: Run) -> Templates | None:
    """The templates stored in a run; None if there are none.

    Raises
    ------
    RunError : if there is not one template for each face with outcome ok
    """
    if run.embeddings is None:
        return None
    rows = np.flatnonzero(run.faces["outcome"] == "ok").astype(np.int64)
    if len(rows) != len(run.embeddings):
        raise RunError(f"embeddings.npy: {len(run.embeddings)} templates, and {len(rows)} faces with outcome ok")
    return Templates(run.manifest, rows, run.embeddings)


def comparisons_differing(run: Run) -> list[str]:
    """The stored comparisons that the stored templates do not reproduce; empty if all agree, or nothing is stored."""
    templates = stored_templates(run)
    if run.matched is None or templates is None:
        return []
    if run.matched.pairs is not None:
        return listed_differing(run.matched.pairs, templates)
    assert run.matched.counts is not None
    again = counted_again(run.matched, run.matched.counts, templates, run.record.groupings)
    return (
        []
        if same_counts(again, run.matched.counts)
        else ["counts.npz: differs from the result of the stored templates"]
    )


def listed_differing(pairs: pd.DataFrame, templates: Templates) -> list[str]:
    """Differences in the scores of listed pairs."""
    place = np.full(len(templates.table), -1, np.int64)
    place[templates.rows] = np.arange(len(templates.rows))
    left, right = (place[pairs[side].to_numpy(np.int64)] for side in ("left", "right"))
    scored: BoolArray = (left >= 0) & (right >= 0)
    expected = np.full(len(pairs), np.nan)
    expected[scored] = score_pairs(templates.vectors, left[scored], right[scored])
    same = np.isclose(pairs["score"].to_numpy(np.float64), expected, rtol=0.0, atol=0.0, equal_nan=True)
    return (
        []
        if same.all()
        else [f"pairs.parquet: {int((~same).sum())} scores differ from the results of the stored templates"]
    )


def counted_again(
    matched: Matched, counts: ScoreCounts, templates: Templates, groupings: Sequence[Grouping]
) -> ScoreCounts:
    """The comparisons of a run, counted again from its templates with the bins of the stored counts."""
    inside = (matched.roles == EVALUATION)[templates.rows]
    rows = templates.rows[inside]
    known = [grouping for grouping in groupings if set(grouping) <= set(templates.table.columns)]
    vectors, subjects = templates.vectors[inside], templates.subjects[rows]
    codes = counted_groups(templates.table, known).codes[rows]
    without_pairs, full = positions(matched.excluded, rows, len(templates.table)), counts.full_range
    again = count_scores(
        vectors,
        subjects,
        codes,
        floor=float(counts.edges[0]),
        bins=len(counts.edges) - 1,
        tail_limit=counts.tail_limit,
        names=counts.groups,
        exclude=without_pairs,
        workers=usable_cores(),
        full_range=None if full is None or full.sampled else len(full.edges) - 1,
        row_edges=None if counts.row_tails is None else np.searchsorted(counts.edges, counts.row_tails.edges).tolist(),
    )
    if full is None or not full.sampled:
        return again
    return with_sampled_range(
        again, vectors, subjects, codes, bins=len(full.edges) - 1, exclude=without_pairs, workers=usable_cores()
    )


def same_counts(a: ScoreCounts, b: ScoreCounts) -> bool:
    """Whether two counts agree in every integer and every listed pair."""
    names = ("impostor", "genuine", "impostor_pairs", "genuine_pairs", "tail", "genuine_scores")
    return (
        all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)
        and same_rows(a.row_tails, b.row_tails)
        and a.tail_floor == b.tail_floor
        and a.unknown_pairs == b.unknown_pairs
    )


def same_rows(a: RowTails | None, b: RowTails | None) -> bool:
    """Whether two counts of rows agree in every integer; two that are not there do."""
    if a is None or b is None:
        return a is b
    if not np.array_equal(a.edges, b.edges) or {*a.parts} != {*b.parts}:
        return False
    return all(np.array_equal(part, b.parts[number]) for number, part in a.parts.items())
