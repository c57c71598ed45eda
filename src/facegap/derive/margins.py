"""The margin of a metric in a run: fixed before its data were seen, and kept in its record."""

from __future__ import annotations

from facegap.derive.metrics import metric_of
from facegap.store.record import Margin, RunRecord


def margin_of(record: RunRecord, metric: str) -> Margin:
    """What the record states; of a run whose record states no margins the metric's own.

    Raises
    ------
    RunError
        The metric is not known here.
    """
    known = metric_of(metric)
    return record.margins.get(metric) or Margin(known.scale, known.margin)
