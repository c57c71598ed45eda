"""The table of metrics: every metric is complete and consistent."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from typing import Any

import pytest

from facegap.derive.metrics import (
    ERROR_RATE_ALL,
    FMR,
    FNIR,
    FNMR,
    FTA,
    GFAR,
    METRICS,
    PAIR_METRICS,
    SEARCH_METRICS,
    Metric,
    by_order,
    metric_of,
)
from facegap.errors import RunError
from facegap.statistics.gaps import gap_family

REQUIRED = [field.name for field in fields(Metric) if field.default is MISSING]


def said_by(metric: Metric) -> dict[str, Any]:
    """The texts of a metric, by field."""
    return {field.name: getattr(metric, field.name) for field in fields(Metric)}


@pytest.mark.parametrize("missing", REQUIRED)
def test_a_metric_that_lacks_a_field_cannot_be_made(missing: str) -> None:
    said = said_by(FMR)
    del said[missing]
    with pytest.raises(TypeError, match=f"argument: '{missing}'"):
        Metric(**said)


@pytest.mark.parametrize("field", ["title", "method", "source"])
def test_a_text_that_is_empty_is_refused_and_named(field: str) -> None:
    with pytest.raises(ValueError, match=f"metric fmr: {field} is empty"):
        replace(FMR, **{field: " "})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"name": "F M R"},
            "a name consists of lower-case letters, digits, _ and full stops, and begins with a letter",
        ),
        ({"scale": "odds"}, "scale is one of difference, ratio"),
        ({"task": "guess"}, "task is one of detect, embed, classify"),
        ({"trial": "pair"}, "trial is one of image, impostor pair"),
        ({"margin": 0.5}, "margin 0.5 is not between 1 and inf"),
        ({"scale": "difference"}, "margin 2.0 is not between 0 and 1"),
        ({"trials": lambda run: None}, "only a rate of images has the function"),
        ({"trial": "image"}, "only a rate of images has the function"),
    ],
)
def test_a_value_that_no_metric_has_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(FMR, **changes)


def test_the_table_is_in_the_order_of_rates_csv_and_each_stands_under_its_name() -> None:
    images = ["fta", "no_answer_rate", "error_rate_answered", "error_rate_all", "age_error_over_5"]
    images += ["bpcer", "age_false_positive", "age_false_negative"]
    assert list(METRICS) == [*images, "fmr", "fnmr", "gfar", "gfrr", "fnir", "fpir"]
    assert all(metric.name == name for name, metric in METRICS.items())


def test_rates_that_span_orders_of_magnitude_are_compared_by_ratio() -> None:
    assert {name for name, metric in METRICS.items() if metric.is_ratio} == {
        *("fmr", "gfar", "fpir", "fnmr", "fnir", "gfrr", "fta", "age_false_positive")
    }
    assert {metric.margin for metric in METRICS.values() if metric.is_ratio} == {2.0}
    assert {metric.margin for metric in METRICS.values() if not metric.is_ratio} == {0.02}


def test_a_finding_is_about_errors_before_what_was_lost() -> None:
    first = [
        "age_false_positive",
        "age_false_negative",
        "error_rate_all",
        "bpcer",
        "fmr",
        "fnmr",
        "fnir",
        "fpir",
        "no_answer_rate",
        "fta",
    ]
    assert [metric.name for metric in by_order()][: len(first)] == first
    assert len({metric.order for metric in METRICS.values()}) == len(METRICS)


def test_what_is_counted_follows_from_the_trial() -> None:
    assert [metric.name for metric in METRICS.values() if metric.is_pair] == [m.name for m in PAIR_METRICS]
    assert [metric.name for metric in METRICS.values() if metric.is_search] == [m.name for m in SEARCH_METRICS]
    assert [metric.name for metric in METRICS.values() if metric.is_impostor] == ["fmr", "gfar"]
    assert GFAR.counts_lost
    assert not FNMR.counts_lost
    assert (FTA.task, ERROR_RATE_ALL.task, FNIR.task) == ("detect", "classify", "embed")


def test_a_metric_that_is_not_known_is_an_error_that_says_what_to_do() -> None:
    assert metric_of("fnmr") is FNMR
    with pytest.raises(RunError, match=r"metric 'blurred\\x1b' is not known; install the package"):
        metric_of("blurred\x1b")


def test_thirteen_times_as_many_false_rejections_are_not_within_the_margin() -> None:
    fnmr = metric_of("fnmr")  # 1.3% against 0.1%: a difference of less than two points
    family = gap_family(
        ["women", "men"],
        [130, 10],
        [10_000, 10_000],
        [10_000, 10_000],
        [10_000.0, 10_000.0],
        margin=fnmr.margin,
        scale=fnmr.scale,
        metric=fnmr.name,
    )
    (gap,) = family.rows()
    assert gap.ratio == pytest.approx(13)
    assert (gap.scale, gap.margin, gap.verdict) == ("ratio", 2.0, "gap larger than the margin")
    assert gap.decided_low > 2
