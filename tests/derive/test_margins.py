"""The margin of a metric in a run is that of its record, or the default of the metric if the record has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facegap.derive.margins import margin_of
from facegap.errors import RunError
from facegap.store.record import Margin
from fixtures.records import made_record


def test_the_margin_of_the_record_comes_before_that_of_the_metric() -> None:
    record = made_record()
    assert margin_of(record, "fnmr") == Margin("ratio", 2.0)
    assert margin_of(record, "error_rate_all") == Margin("difference", 0.02)
    chosen = replace(record, request=replace(record.request, margins={"fnmr": Margin("difference", 0.01)}))
    assert margin_of(chosen, "fnmr") == Margin("difference", 0.01)
    assert margin_of(chosen, "fmr") == Margin("ratio", 2.0)


def test_a_metric_that_is_not_known_has_no_margin() -> None:
    with pytest.raises(RunError, match="metric 'none_such' is not known"):
        margin_of(made_record(), "none_such")
