"""The search of a gallery (1:N) as tables of text and sentences: whose mate is not found, who raises a false alarm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from facegap.derive.identification import SearchPoint, search_points
from facegap.report.tables import METRIC_TITLES, TextTable, cell, extremes, own_rates, records
from facegap.report.text import clean
from facegap.store import Run
from facegap.types import Group


def search_tables(run: Run) -> list[TextTable]:
    """Per term, everybody first: a table without a threshold (closed set), and one for each threshold (open set)."""
    if run.searched is None:
        return []
    points = search_points(run, run.searched)
    together = list(dict.fromkeys(key_of(point) for point in points))
    terms = [(), *(tuple(term) for term in run.record["terms"])]
    return [
        search_table(run, term, [point for point in points if key_of(point) == key]) for term in terms for key in together
    ]


def key_of(point: SearchPoint) -> tuple[str, str]:
    """What the judgements of one table share: the threshold and where it comes from, without the rank."""
    return f"{point.threshold:.17g}", point.given if not math.isnan(point.threshold) else ""


def search_table(run: Run, term: tuple[str, ...], points: Sequence[SearchPoint]) -> TextTable:
    """The groups of one term by the judgements at one threshold; groups too small to rank are dimmed."""
    rates = own_rates(run)
    of_term = records(rates[[entry == term for entry in rates["term"]]])
    cells = {(row["group"], row["metric"], row["threshold_from"]): row for row in of_term}
    groups: list[Group] = list(dict.fromkeys(row["group"] for row in of_term))
    rows, dimmed = [], set()
    for k, group in enumerate(groups):
        found = [cells[group, point.metric, point.source] for point in points]
        subjects = {row["metric"]: int(row["subjects"]) for row in found}  # mates and non-mates are different people
        rows.append((clean(group), " / ".join(map(str, subjects.values())), *(cell(row) for row in found)))
        if min(subjects.values()) < run.record["min_subjects"]:
            dimmed.add(k)
    threshold = points[0].threshold
    at = "no threshold" if math.isnan(threshold) else f"threshold {threshold:.4f}"
    headed = "subjects" if math.isnan(threshold) else "subjects, mates / non-mates"
    columns = ("group", headed, *(title_of(point) for point in points))
    sources = dict.fromkeys(part for point in points for part in (point.given, point.gallery) if part)
    roles = f"Roles: {run.record['identification']['roles']}."
    notes = (*(f"{clean(source[:1].upper() + source[1:])}." for source in sources), clean(roles))
    return TextTable(f"{' x '.join(term) or 'everybody'}: search, {at}", columns, tuple(rows), frozenset(dimmed), notes)


def title_of(point: SearchPoint) -> str:
    """The heading of one judgement."""
    return METRIC_TITLES[point.metric] + ("" if point.rank is None else f", rank {point.rank}")


def search_findings(run: Run) -> list[str]:
    """The worst and the best group of every term, for false alarms and for mates missed at the shortest list."""
    if run.searched is None:
        return []
    shortest = min(run.record["identification"]["ranks"])
    return [
        f"{sentence} ({clean(point.source)})"
        for point in search_points(run, run.searched)
        if point.rank in (None, shortest)
        for sentence in extremes(
            replace(run, rates=run.rates[run.rates["threshold_from"] == point.source]), point.metric
        )
    ]
