"""The tables of a run in reading order: the finding, the verdicts, the rates, the method."""

from __future__ import annotations

from facegap.derive.metrics import by_order, in_order
from facegap.report.attacks import iapar_report
from facegap.report.first_frames import alarms_table, frames_tables
from facegap.report.gender_shades import WIDTH, gender_shades_tables
from facegap.report.groups import gap_table, matrix_tables
from facegap.report.identification import search_findings, search_tables
from facegap.report.image_tables import failed_table, outcome_table, prediction_table, template_table, timing_table
from facegap.report.labels import label_tables
from facegap.report.outputs import output_report
from facegap.report.planned import sample_table
from facegap.report.population import population_tables, slope_tables
from facegap.report.protocols import protocol_tables
from facegap.report.rate_tables import age_table, rate_tables
from facegap.report.rows.frames import groupings_of
from facegap.report.rows.rates import rate_rows
from facegap.report.score_tables import bob_tables
from facegap.report.tables import TextTable
from facegap.report.worst_best import extremes
from facegap.store.run import Run


def all_tables(run: Run, *, view: str | None, include_ids: bool, width: int = WIDTH) -> list[TextTable]:
    """The tables of a run in reading order; a view wider than `width` characters is split."""
    found = protocol_tables(run)
    found += [gap_table(run)] if len(run.gaps) else []
    found += [sample_table(run)] if run.record.plan else []
    found += label_tables(run)
    found += output_report(run) + iapar_report(run)
    found += population_tables(run) + slope_tables(run) + frames_tables(run)
    found += alarms_table(run.extra.get("alarms.csv"), groupings_of(run))
    found += gender_shades_tables(run, width=width) if view == "gender-shades" else []
    found += [*rate_tables(run), *bob_tables(run), *matrix_tables(run), *search_tables(run)]
    found += [age_table(run)] if len(run.age) else []
    found += [outcome_table(run)]
    found += [template_table(run)] if run.pooled is not None else []
    found += [prediction_table(run)] if run.record.classes else []
    found += [failed_table(run)] if include_ids else []
    return [*found, timing_table(run)] if run.record.timing.per_image else found


def findings(run: Run) -> list[str]:
    """The worst and the best group of every grouping, for the main metric of the audit."""
    rows = rate_rows(run)
    judged = {row.metric for row in rows}
    metrics = [metric.name for metric in in_order(judged) if metric.is_headline]
    metrics = metrics or [metric.name for metric in by_order() if metric.is_failure]  # a run has one of them
    return [*(sentence for metric in metrics for sentence in extremes(rows, metric)), *search_findings(run)]
