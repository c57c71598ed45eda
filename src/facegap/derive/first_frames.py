"""frames.csv: errors by number of frames per template, with the first k frames of the same templates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons, false_non_match_rate, without
from facegap.derive.groupings import attribute_columns, cells_of
from facegap.derive.identification import search_rates
from facegap.derive.metrics import FNMR, FTA
from facegap.derive.outcomes import shown_to_a_model
from facegap.derive.results import groupings_of, metric_rows, model_of, rate_row
from facegap.derive.units import subject_codes, units_of_run
from facegap.store.matches import ByFrames, Searched
from facegap.store.pooled import Pooled, frame_numbers, template_codes, units_of
from facegap.store.run import Run
from facegap.tables import BY_FRAMES, check
from facegap.types import BoolArray

COLUMNS = ("errors", "trials", "subjects", "value", "low", "high", "level", "method")


def frames_table(run: Run, pairs: Comparisons | None) -> pd.DataFrame:
    """FTA, FNMR, FNIR and FPIR by group with the first k frames of each template; empty for a run without such scores.

    A template whose first k frames are all unusable is a failure to acquire at k; its pairs are not trials of FNMR, and
    its searches have no hits. Intervals treat the threshold as fixed.
    """
    if run.pooled is None or run.by_frames is None or pairs is None:
        return pd.DataFrame()
    attributes = attribute_columns(groupings_of(run))
    rows = [
        {
            "frames": count,
            **{name: row[name] for name in ("metric", "model", "threshold", "threshold_from", *attributes, *COLUMNS)},
        }
        for count in run.by_frames.counts
        for row in rows_at(run, run.pooled, run.by_frames, pairs, count)
    ]
    return check(pd.DataFrame(rows), BY_FRAMES, "frames") if rows else pd.DataFrame()


def rows_at(run: Run, pooled: Pooled, found: ByFrames, pairs: Comparisons, count: int) -> Iterator[dict[str, Any]]:
    """Rows of RATES with the first `count` frames."""
    yield from acquisition_rows(run, pooled, count)
    yield from genuine_rows(run, found, pairs, count)
    if found.searches is not None and run.searched is not None:
        lists = found.searches[found.searches["frames"] == count].drop(columns="frames")
        yield from search_rates(run, Searched(run.searched.roles, lists.reset_index(drop=True)))


def acquisition_rows(run: Run, pooled: Pooled, count: int) -> Iterator[dict[str, Any]]:
    """FTA: templates shown to a model; error = none of the first frames is usable. None without a detector."""
    if "detect" not in run.record.models:
        return
    shown, lost = shown_to_a_model(run.faces), ~acquired(pooled, count)
    attributes, subjects, units = attribute_columns(groupings_of(run)), subject_codes(run.manifest), units_of_run(run)
    for grouping in groupings_of(run):
        cells = cells_of(run.manifest, grouping)
        yield from metric_rows(run, FTA.name, cells, attributes, shown, lost, subjects, units)


def acquired(pooled: Pooled, count: int) -> BoolArray:
    """Which templates have a usable frame among their first `count`, bool (templates,)."""
    codes, first = template_codes(pooled.manifest)
    row_of, outcomes = units_of(pooled.faces, pooled.frames)
    usable = (outcomes == "ok") & (frame_numbers(codes[row_of]) < count)
    found = np.zeros(len(first), np.bool_)
    found[codes[row_of[usable]]] = True
    return found


def genuine_rows(run: Run, found: ByFrames, pairs: Comparisons, count: int) -> Iterator[dict[str, Any]]:
    """FNMR at every threshold."""
    at = found.scores[found.scores["frames"] == count]
    rows = at[["left", "right"]].to_numpy(np.int64)
    kept = without(rows, pairs.excluded, len(pairs.subjects))
    same = replace(pairs, genuine=rows[kept], genuine_scores=at["score"].to_numpy(np.float64)[kept])
    attributes, model = attribute_columns(groupings_of(run)), model_of(run, FNMR.name)
    for point in run.record.operating:
        cut = pairs.cut(point)
        for grouping in groupings_of(run):
            cells = cells_of(run.manifest, grouping)
            for k, group in enumerate(cells.groups):
                rate = false_non_match_rate(same, cut, cells.codes == k, generalised=False, level=run.record.level)
                yield rate_row(FNMR.name, model, group, attributes, rate, point.threshold, point.source)
