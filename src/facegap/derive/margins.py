"""The margin of a metric in a run, fixed before its data were seen and stored in its record."""

from __future__ import annotations

from facegap.derive.metrics import metric_of
from facegap.store.record import Margin, RunRecord


def margin_of(record: RunRecord, metric: str) -> Margin:
    """The margin in the record; if a record has no margins, the default of the metric.

    Raises
    ------
    RunError
        If the metric is unknown.
    """
    known = metric_of(metric)
    return record.margins.get(metric) or Margin(known.scale, known.margin)
