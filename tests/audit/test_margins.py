"""The margins of a run: those of the metrics, and those of the auditor instead."""

from __future__ import annotations

import pytest

from facegap.audit.margins import margins_of
from facegap.derive.metrics import METRICS
from facegap.errors import SettingError
from facegap.store.record import Margin


def test_without_a_choice_every_metric_has_its_own_margin() -> None:
    found = margins_of(())
    assert list(found) == list(METRICS)
    ratios = {name for name, margin in found.items() if margin == Margin("ratio", 2.0)}
    assert ratios == {"age_false_positive", "fmr", "gfar", "fpir", "fnmr", "fnir", "gfrr", "fta"}
    assert {margin for name, margin in found.items() if name not in ratios} == {Margin("difference", 0.02)}


def test_any_metric_may_be_judged_on_either_scale() -> None:
    found = margins_of(("fnmr=0.01", "error_rate_all=x1.5"))
    assert found["fnmr"] == Margin("difference", 0.01)
    assert found["error_rate_all"] == Margin("ratio", 1.5)
    assert found["fmr"] == Margin("ratio", 2.0)


def test_a_metric_that_is_not_known_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingError, match="--margin fnrm=x2: there is no metric 'fnrm'; did you mean 'fnmr'"):
        margins_of(("fnrm=x2",))
