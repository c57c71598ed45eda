"""The search of a gallery (1:N) as tables of text and sentences: whose mate is not found, who raises a false alarm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from facegap.derive.groupings import cells_of
from facegap.derive.identification import GALLERY, SearchPoint, search_points
from facegap.report.tables import METRIC_TITLES, TextTable, cell, own_rates, records
from facegap.report.text import clean
from facegap.report.worst_best import extremes
from facegap.store.run import Run
from facegap.types import Group


def search_tables(run: Run) -> list[TextTable]:
    """Per grouping, everybody first: a table without a threshold (closed set), and one for each threshold (open set)."""
    if run.searched is None:
        return []
    points = search_points(run, run.searched)
    together: dict[tuple[str, str], list[SearchPoint]] = {}
    for point in points:
        together.setdefault((f"{point.threshold:.17g}", point.given), []).append(point)
    groupings = [(), *(tuple(grouping) for grouping in run.record["groupings"])]
    return [search_table(run, grouping, same) for grouping in groupings for same in together.values()]


def search_table(run: Run, grouping: tuple[str, ...], points: Sequence[SearchPoint]) -> TextTable:
    """The groups of one grouping by the judgements at one threshold; groups too small to rank are dimmed."""
    rates = own_rates(run)
    of_grouping = records(rates[[entry == grouping for entry in rates["grouping"]]])
    cells = {(row["group"], row["metric"], row["threshold_from"]): row for row in of_grouping}
    enrolled = gallery_sizes(run, grouping)
    rows, dimmed = [], set()
    for k, (group, images) in enumerate(enrolled.items()):
        found = [cells[group, point.metric, point.source] for point in points]
        subjects = {row["metric"]: int(row["subjects"]) for row in found}  # mates and non-mates are different people
        people = " / ".join(map(str, subjects.values()))
        rows.append((clean(group), str(images), people, *(cell(row) for row in found)))
        if min(subjects.values()) < run.record["min_subjects"]:
            dimmed.add(k)
    closed = math.isnan(points[0].threshold)
    at = "no threshold" if closed else f"threshold {points[0].threshold:.4f}"
    headed = "subjects" if closed else "subjects, mates / non-mates"
    notes = [f"N: {points[0].gallery}; {run.record['identification']['roles']}."]
    notes += [f"Threshold: {points[0].given}."] if points[0].given else []
    return TextTable(
        f"{' x '.join(grouping) or 'everybody'}: search, {at}",
        ("group", "enrolled", headed, *(title_of(point) for point in points)),
        tuple(rows),
        frozenset(dimmed),
        tuple(clean(note) for note in notes),
    )


def gallery_sizes(run: Run, grouping: tuple[str, ...]) -> dict[Group, int]:
    """Images to be enrolled of each group: who is in the gallery decides who can be taken for somebody."""
    assert run.searched is not None
    cells = cells_of(run.manifest, grouping)
    sizes = np.bincount(cells.codes[run.searched.roles == GALLERY], minlength=len(cells.groups))
    return dict(zip(cells.groups, sizes.tolist(), strict=True))


def title_of(point: SearchPoint) -> str:
    """The heading of one judgement."""
    return METRIC_TITLES[point.metric] + ("" if point.rank is None else f", rank {point.rank}")


def search_findings(run: Run) -> list[str]:
    """The worst and the best group of every grouping, for false alarms and for mates missed at the shortest list."""
    if run.searched is None:
        return []
    shortest = min(run.record["identification"]["ranks"])
    return [
        sentence
        for point in search_points(run, run.searched)
        if point.rank in (None, shortest)
        for sentence in extremes(
            replace(run, rates=run.rates[run.rates["threshold_from"] == point.source]), point.metric
        )
    ]
