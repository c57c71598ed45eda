"""What a reader sees of a run, in the order in which it is read: the finding, the verdicts, the rates, the method."""

from __future__ import annotations

from facegap.report.gender_shades import WIDTH, gender_shades_tables
from facegap.report.groups import gap_table, matrix_tables
from facegap.report.identification import search_findings, search_tables
from facegap.report.labels import label_tables
from facegap.report.tables import (
    TextTable,
    age_text_table,
    failed_table,
    outcome_table,
    prediction_table,
    rate_tables,
    timing_table,
)
from facegap.report.worst_best import extremes
from facegap.store.run import Run


def all_tables(run: Run, *, view: str | None, include_ids: bool, width: int = WIDTH) -> list[TextTable]:
    """The tables of a run in the order in which they are read; a view that is wider than `width` letters is split."""
    found = [gap_table(run)] if len(run.gaps) else []
    found += label_tables(run)
    found += gender_shades_tables(run, width=width) if view == "gender-shades" else []
    found += [*rate_tables(run), *matrix_tables(run), *search_tables(run)]
    found += [age_text_table(run)] if len(run.age) else []
    found += [outcome_table(run)]
    found += [prediction_table(run)] if run.record["classes"] else []
    found += [failed_table(run)] if include_ids else []
    return [*found, timing_table(run)] if run.record["timing"]["per_image"] else found


def findings(run: Run) -> list[str]:
    """The worst and the best group of every grouping, for the metric that the audit is about."""
    metrics = [name for name in ("error_rate_all", "fmr", "fnmr") if (run.rates["metric"] == name).any()]
    metrics = metrics or ["fta", "no_answer_rate"]  # a run has one of them
    return [*(sentence for metric in metrics for sentence in extremes(run, metric)), *search_findings(run)]
