"""Searches of a gallery (1:N) at the threshold of the page: their rates, and each miss and false identification."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from facegap.derive.groupings import Grouping
from facegap.derive.identification import (
    GALLERY,
    SearchPoint,
    group_rates,
    lost_searches,
    outcome,
    roles_shown,
    search_record,
)
from facegap.derive.metrics import FNIR, FPIR
from facegap.derive.units import units_of_run
from facegap.explore.rates import Explored, MovedRate
from facegap.types import AnyArray, BoolArray, IntArray

LOST, BELOW, OTHERS = "no template", "below the threshold", "others ranked first"  # reasons for a miss


def ranks_of(view: Explored) -> tuple[int, ...]:
    """The lengths of candidate lists evaluated in the run, increasing; empty without searches."""
    return () if view.run.searched is None else tuple(search_record(view.run).ranks)


def points_at(threshold: float, rank: int) -> tuple[SearchPoint, ...]:
    """The evaluated operating points at a threshold: misses for this list length, and false identifications."""
    missed = SearchPoint(FNIR.name, rank, threshold, "", "")
    return (missed,) if math.isnan(threshold) else (missed, SearchPoint(FPIR.name, None, threshold, "", ""))


def searches_at(view: Explored, grouping: Grouping, threshold: float, rank: int) -> list[MovedRate]:
    """FNIR and FPIR of every group, and those at the run's own threshold; empty without searches."""
    if view.searches is None:
        return []
    cells, units = view.cells(grouping), units_of_run(view.run)
    now, before = (
        {
            point.metric: group_rates(cells, *outcome(view.run, view.searches, point), view.subjects, view.level, units)
            for point in points_at(at, rank)
        }
        for at in (threshold, view.threshold)
    )
    return [
        MovedRate(str(group), metric, now[metric][k], before[metric][k])
        for k, group in enumerate(cells.groups)
        for metric in now
    ]


def search_failures(view: Explored, groups: AnyArray, threshold: float, rank: int) -> list[pd.DataFrame]:
    """One row per failed search: the probe, and the enrolled image that it missed or falsely matched.

    groups : of each manifest row, str (rows,); the group of a search is that of its probe
    """
    if view.searches is None:
        return []
    found = []
    for point in points_at(threshold, rank):
        wrong = np.flatnonzero(outcome(view.run, view.searches, point)[1])
        found.append(missed(view, groups, wrong, threshold) if point.rank is not None else named(view, groups, wrong))
    return found


def missed(view: Explored, groups: AnyArray, rows: IntArray, threshold: float) -> pd.DataFrame:
    """Mated searches that did not find the person. rows : manifest rows of the probes"""
    assert view.searches is not None
    place = np.searchsorted(view.searches.rows, rows)
    mates = np.where(view.searches.is_mate[place], view.searches.scores[place], -np.inf)
    listed = mates.max(axis=1, initial=-np.inf)
    enrolled = enrolled_mates(view, rows)
    best = np.where(
        np.isfinite(listed), view.searches.candidates[place, mates.argmax(axis=1)] if len(rows) else -1, enrolled
    )
    score = np.where(np.isfinite(listed), listed, np.nan)
    assert view.run.searched is not None
    lost = lost_searches(view.run, view.run.searched)[FNIR.name][rows]
    why = np.where(lost, LOST, np.where(score < threshold, BELOW, OTHERS))
    return of_searches(view, groups, rows, best, score, why, "missed")


def named(view: Explored, groups: AnyArray, rows: IntArray) -> pd.DataFrame:
    """Non-mated searches that return a candidate, with the first candidate."""
    assert view.searches is not None
    place = np.searchsorted(view.searches.rows, rows)
    scores = np.where(np.isfinite(view.searches.scores[place]), view.searches.scores[place], -np.inf)
    first = scores.argmax(axis=1) if len(rows) else np.empty(0, np.int64)
    best = view.searches.candidates[place, first]
    return of_searches(view, groups, rows, best, scores.max(axis=1, initial=-np.inf), None, "named")


def enrolled_mates(view: Explored, rows: IntArray) -> IntArray:
    """An enrolled image of each row's person that is not excluded; manifest rows, -1 if there is none."""
    run = view.run
    assert run.searched is not None
    enrolled = np.flatnonzero(roles_shown(run, run.searched) == GALLERY)
    excluded = set[tuple[int, int]]()
    if run.matched is not None:
        excluded = {pair for a, b in run.matched.excluded.tolist() for pair in ((a, b), (b, a))}
    return np.array(
        [first_of(row, enrolled[view.subjects[enrolled] == view.subjects[row]], excluded) for row in rows], np.int64
    )


def first_of(row: int, mates: Sequence[int] | IntArray, excluded: set[tuple[int, int]]) -> int:
    """The first mate whose pair with the row is not excluded; -1 if there is none."""
    return next((int(mate) for mate in mates if (int(row), int(mate)) not in excluded), -1)


def of_searches(
    view: Explored,
    groups: AnyArray,
    rows: IntArray,
    others: IntArray,
    scores: AnyArray,
    why: AnyArray | None,
    kind: str,
) -> pd.DataFrame:
    """Rows with a probe and an enrolled image each."""
    image, subject = (view.run.manifest[name].to_numpy() for name in ("image", "subject"))
    there: BoolArray = others >= 0
    return pd.DataFrame(
        {
            "kind": kind,
            "group": groups[rows],
            "outcome": "" if why is None else why,
            "score": scores,
            "row": rows,
            "other_row": others,
            "image": image[rows],
            "other_image": np.where(there, image[others], ""),
            "subject": subject[rows],
            "other_subject": np.where(there, subject[others], ""),
        }
    )
