"""Data for charts of comparisons that is not in the stored tables: score histograms and DET points by group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons, both, counted_groups, impostors_within
from facegap.derive.groupings import Cells, Grouping, cells_of
from facegap.derive.metrics import FMR, FNMR
from facegap.derive.results import groupings_of
from facegap.derive.run import comparisons_of
from facegap.derive.scores import is_whole
from facegap.statistics.curves import DetPoints, false_non_match_counts
from facegap.store.run import Run
from facegap.types import BoolArray, FloatArray, Group, IntArray

MOST_BINS = 80  # of a histogram plotted 700 pixels wide
MOST_POINTS = 90  # of one curve
HISTOGRAM = ("grouping", "group", "kind", "low", "high", "pairs", "all_pairs")
DET = (
    "grouping",
    "group",
    "threshold",
    "false_matches",
    "impostor_pairs",
    FMR.name,
    "false_non_matches",
    "genuine_pairs",
    FNMR.name,
)


def histogram_table(run: Run) -> pd.DataFrame:
    """Score histograms by group: grouping, group (`Group`), kind, low, high, pairs, all_pairs.

    One row per bin, for pairs with two templates within the group; kind is genuine or impostor. Bins are those of the
    counts, joined so that at most MOST_BINS cover all scores of the run; with many templates, pairs below the exact
    list are from a sample (ScoreHistogram.sampled). Groups without separate counts have no rows.
    """
    pairs = comparisons_of(run, rates=False)
    found = [] if pairs is None else counted_histograms(run) or list(listed_histograms(run, pairs))
    return pd.DataFrame([row for rows in joined_bins(found) for row in rows], columns=list(HISTOGRAM))


Histogram = tuple[Grouping, Group, str, FloatArray, IntArray]  # grouping, group, kind, edges (bins + 1), counts (bins)


def counted_histograms(run: Run) -> list[Histogram]:
    """Histograms from counts of all pairs; none if these do not include all scores."""
    counts = run.matched.counts if run.matched else None
    if counts is None or counts.full_range is None:
        return []
    full, counted = counts.full_range, counted_groups(run.manifest, groupings_of(run))
    found: list[Histogram] = []
    for grouping, cells, k in groups_of(run):
        inside = cells.codes == k
        members = np.unique(counted.codes[inside])
        if not is_whole(counted, inside):
            continue
        chosen = np.ix_(members, members)
        for kind, of_kind in (("genuine", full.genuine), ("impostor", full.impostor)):
            found.append((grouping, cells.groups[k], kind, full.edges, of_kind[chosen].sum(axis=(0, 1))))
    return found


def listed_histograms(run: Run, pairs: Comparisons) -> Iterator[Histogram]:
    """Histograms of listed pairs; none if some pairs are only counted."""
    if not pairs.complete:
        return
    genuine = pairs.genuine_scores[np.isfinite(pairs.genuine_scores)]
    impostor = pairs.impostor_scores[: pairs.made]  # falling
    ends = np.concatenate([genuine, impostor[:1], impostor[-1:]])
    if not len(ends):
        return
    edges = np.histogram_bin_edges(np.array([ends.min(), ends.max()]), MOST_BINS)
    for grouping, cells, k in groups_of(run):
        inside = cells.codes == k
        scores = {"genuine": genuine_within(pairs, inside), "impostor": impostors_within(pairs, inside)[0]}
        for kind, of_kind in scores.items():
            yield grouping, cells.groups[k], kind, edges, np.histogram(of_kind, edges)[0].astype(np.int64)


def joined_bins(found: list[Histogram]) -> Iterator[list[dict[str, Any]]]:
    """Rows of each histogram with pairs, over their common range, with adjacent bins joined."""
    if not found:
        return
    used = np.flatnonzero(np.sum([counts for *_, counts in found], axis=0))
    if not len(used):
        return
    first, bins = int(used[0]), int(used[-1] - used[0] + 1)
    step = -(-bins // MOST_BINS)
    for grouping, group, kind, edges, counts in found:
        if not counts.sum():
            continue
        starts = np.arange(first, first + bins, step)
        stops = np.minimum(starts + step, len(counts))
        yield [
            dict(
                zip(
                    HISTOGRAM,
                    (
                        grouping,
                        group,
                        kind,
                        float(edges[a]),
                        float(edges[b]),
                        int(counts[a:b].sum()),
                        int(counts.sum()),
                    ),
                    strict=True,
                )
            )
            for a, b in zip(starts.tolist(), stops.tolist(), strict=True)
        ]


def det_table(run: Run) -> pd.DataFrame:
    """Observed points of the DET curve of each group that has genuine pairs: grouping, group (`Group`) and the columns of DET.

    A curve has at most MOST_POINTS thresholds, all observed scores; none is below the list of impostor pairs.
    """
    pairs = comparisons_of(run, rates=False)
    rows: list[dict[str, Any]] = []
    if pairs is not None and np.isfinite(pairs.genuine_scores).any():
        for grouping, cells, k in groups_of(run):
            points = det_of_group(pairs, cells.codes == k)
            rows += [] if points is None else point_rows(grouping, cells.groups[k], points)
    return pd.DataFrame(rows, columns=list(DET))


def det_of_group(pairs: Comparisons, group: BoolArray) -> DetPoints | None:
    """Counts at some observed thresholds, increasing; None without genuine pairs or without listed impostor pairs."""
    genuine = genuine_within(pairs, group)
    impostor, impostor_pairs = impostors_within(pairs, group)
    if not len(genuine) or not len(impostor):
        return None
    thresholds = chosen_thresholds(np.sort(genuine), impostor, pairs.floor)
    # Every impostor pair at or above the floor is listed, so these counts include all impostor pairs.
    matches = len(impostor) - np.searchsorted(impostor[::-1], thresholds, side="left")
    refused, genuine_pairs = false_non_match_counts(genuine, thresholds)
    return DetPoints(thresholds, matches, impostor_pairs, refused, genuine_pairs)


def chosen_thresholds(genuine: FloatArray, impostor: FloatArray, floor: float) -> FloatArray:
    """Distinct observed scores from `floor`: evenly spaced ranks of genuine and log-spaced ranks of impostor scores."""
    ranks = np.unique(np.geomspace(1, len(impostor), MOST_POINTS // 2).round().astype(np.int64)) - 1
    places = np.unique(np.linspace(0, len(genuine) - 1, MOST_POINTS // 2).round().astype(np.int64))
    scores = np.unique(np.concatenate([impostor[ranks], genuine[places]]))
    return scores[scores >= floor]


def point_rows(grouping: Grouping, group: Group, points: DetPoints) -> list[dict[str, Any]]:
    """One row per threshold."""
    columns = (
        points.thresholds,
        points.false_matches,
        points.fmr,
        points.false_non_matches,
        points.fnmr,
    )
    return [
        {
            "grouping": grouping,
            "group": group,
            "threshold": threshold,
            "false_matches": matches,
            "impostor_pairs": points.impostor_pairs,
            FMR.name: fmr,
            "false_non_matches": refused,
            "genuine_pairs": points.genuine_pairs,
            FNMR.name: fnmr,
        }
        for threshold, matches, fmr, refused, fnmr in zip(*(column.tolist() for column in columns), strict=True)
    ]


def genuine_within(pairs: Comparisons, group: BoolArray) -> FloatArray:
    """Scores of the genuine pairs within a group with two templates."""
    scores = pairs.genuine_scores[both(group & pairs.counted, pairs.genuine)]
    return scores[np.isfinite(scores)]


def groups_of(run: Run) -> Iterator[tuple[Grouping, Cells, int]]:
    """All groups of all groupings: all subjects, then the groups with known labels."""
    for grouping in groupings_of(run):
        cells = cells_of(run.manifest, grouping)
        for k in np.flatnonzero(cells.known).tolist():
            yield grouping, cells, k
