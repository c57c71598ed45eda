"""Identification (1:N) as text tables and sentences: false negatives and false positives."""

from __future__ import annotations

from functools import partial

from facegap.derive.identification import SearchPoint, search_points, search_record
from facegap.report.rate_tables import count_text
from facegap.report.rows.rates import rate_rows
from facegap.report.rows.searches import SearchRow, SearchRows, search_rows
from facegap.report.tables import Column, TextTable, table_of, title_of
from facegap.report.text import clean, score
from facegap.report.wording import ALL_SUBJECTS
from facegap.report.worst_best import extremes
from facegap.store.run import Run


def search_tables(run: Run) -> list[TextTable]:
    """For each grouping, beginning with all subjects: a table without a threshold (closed set), and one per threshold (open set)."""
    return [search_table(run, found) for found in search_rows(run)]


def search_table(run: Run, found: SearchRows) -> TextTable:
    """The groups of one grouping with their rates at one threshold; groups that are too small to rank are dimmed."""
    point = found.points[0]
    at = "no threshold" if found.is_closed else f"threshold {score(point.threshold)}"
    notes = [f"N: {point.gallery}; {search_record(run).roles}."]
    notes += [f"Threshold: {point.given}."] if point.given else []
    columns = [
        Column[SearchRow]("group", lambda row: clean(row.group)),
        Column[SearchRow]("enrolled", lambda row: str(row.enrolled)),
        Column[SearchRow]("subjects" if found.is_closed else "subjects, mates / non-mates", people),
        *(Column[SearchRow](heading(point), partial(rate_at, k=k)) for k, point in enumerate(found.points)),
    ]
    return table_of(
        f"{' x '.join(found.grouping) or ALL_SUBJECTS}: search, {at}",
        columns,
        found.rows,
        is_dimmed=lambda row: not row.reliable,
        notes=[clean(note) for note in notes],
    )


def people(row: SearchRow) -> str:
    """Number of people behind the rates: mates, and non-mates if they are evaluated too."""
    return " / ".join(map(str, row.subjects))


def rate_at(row: SearchRow, *, k: int) -> str:
    """The rate of one metric."""
    return count_text(row.rates[k].rate)


def heading(point: SearchPoint) -> str:
    """The heading of one metric."""
    return title_of(point.metric) + ("" if point.rank is None else f", rank {point.rank}")


def search_findings(run: Run) -> list[str]:
    """The worst and the best group of every grouping, for false positives and for missed mates at the shortest list."""
    if run.searched is None:
        return []
    shortest, rows = min(search_record(run).ranks), rate_rows(run)
    return [
        sentence
        for point in search_points(run, run.searched)
        if point.rank in (None, shortest)
        for sentence in extremes([row for row in rows if row.threshold_from == point.source], point.metric)
    ]
