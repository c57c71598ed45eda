"""The plan of a run in the report: its hash, the time at which it was read, and planned and reached sample sizes."""

from __future__ import annotations

from dataclasses import dataclass

from facegap.report.rows.gaps import gap_rows
from facegap.report.rows.rates import rate_rows
from facegap.report.tables import Column, TextTable, table_of, title_of
from facegap.report.text import clean
from facegap.store.record import AuditKind
from facegap.store.run import Run

BEFORE: dict[AuditKind, str] = {
    "images": "the first image was opened",
    "predictions": "the predictions were read",
    "embeddings": "the templates were compared",
    "scores": "the scores were read",
}


@dataclass(frozen=True)
class SampleRow:
    """A group of the primary family for one metric: planned number of people, and number behind the rate."""

    metric: str
    group: str
    planned: int
    reached: int


def plan_notes(run: Run) -> list[str]:
    """The hash of the plan, and what is known of when it was made; a note without a plan."""
    plan = run.record.plan
    if plan is None:
        return [
            "No plan was given: the primary family, margins and thresholds are those of the command and its defaults."
        ]
    kind = run.record.request.audit
    read = f"{clean(plan.file)}, SHA-256 {clean(plan.sha256)}, read at {clean(plan.read_at)} before {BEFORE[kind]}"
    return [
        f"Plan: {read}; contradicting options were rejected. The time of a file does not prove that the plan was made before "
        "the data were seen; for that, check where this hash was published."
    ]


def sample_rows(run: Run) -> list[SampleRow]:
    """Planned and reached numbers of people, by metric and group of the primary family."""
    plan = run.record.plan
    if plan is None:
        return []
    points = {(gap.metric, gap.grouping): gap.threshold_from for gap in gap_rows(run) if gap.primary}
    return [
        SampleRow(sample.metric, str(row.group), sample.people, row.rate.subjects)
        for sample in plan.samples
        for row in rate_rows(run)
        if row.metric == sample.metric and row.grouping in plan.by and row.labelled
        if points.get((row.metric, row.grouping), row.threshold_from) == row.threshold_from
    ]


def sample_table(run: Run) -> TextTable:
    """Planned and reached numbers of people."""
    rows = sample_rows(run)
    fewer = [row for row in rows if row.reached < row.planned]
    notes = [
        f"{len(fewer)} of {len(rows)} groups have fewer people than planned: a verdict is reached there less often than the plan "
        "says."
    ]
    return table_of("planned and reached numbers of people", SAMPLES, rows, notes=notes if fewer else ())


SAMPLES = (
    Column[SampleRow]("metric", lambda row: title_of(row.metric)),
    Column[SampleRow]("group", lambda row: clean(row.group)),
    Column[SampleRow]("people planned", lambda row: f"{row.planned:,}"),
    Column[SampleRow]("people reached", lambda row: f"{row.reached:,}"),
)
