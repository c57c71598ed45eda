"""Gaps as values: the worse group first, with its ratio and intervals oriented accordingly."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from facegap.report.rows.gaps import Estimate, Side, families, gap_row, gap_rows, verdict_row, verdict_rows, widest
from facegap.store.run import Run

GAP: dict[str, Any] = {
    "metric": "fmr",
    "model": "m",
    "threshold": 0.5,
    "threshold_from": "given",
    "family": "town*gender, rank 1",
    "group_a": "Ayr",
    "group_b": "Bonn",
    "errors_a": 1,
    "trials_a": 100,
    "subjects_a": 30,
    "errors_b": 4,
    "trials_b": 80,
    "subjects_b": 20,
    "rate_a": 0.01,
    "rate_b": 0.05,
    "dominated_by_a": 0,
    "dominated_by_b": 0,
    "difference": -0.04,
    "difference_low": -0.05,
    "difference_high": 0.0,
    "ratio": 0.2,
    "ratio_low": 0.0,
    "ratio_high": 0.5,
    "primary": True,
    "p": 0.01,
    "p_adjusted": 0.03,
    "margin": 2.0,
    "scale": "ratio",
    "differs": True,
    "verdict": "gap",
    "decided_low": 0.125,
    "decided_high": 0.8,
    "decided_level": 0.98,
    "subjects_needed": 100.0,
    "label_draws": 0,
}
LABELS = {
    "label_draws": 200,
    "label_difference": -0.03,
    "label_difference_low": -0.06,
    "label_difference_high": 0.01,
    "label_ratio": 0.5,
    "label_ratio_low": 0.25,
    "label_ratio_high": 1.0,
    "label_p": 0.1,
    "label_p_adjusted": 0.2,
    "label_differs": False,
    "label_attenuation": 0.8,
    "label_outer_low": -0.07,
    "label_outer_high": 0.02,
    "verdict": "not enough data",
}


def test_the_worse_group_comes_first_with_everything_turned_round() -> None:
    row = gap_row(GAP)
    assert row.worse == Side("Bonn", 4, 80, 20, 0.05)
    assert row.better == Side("Ayr", 1, 100, 30, 0.01)
    assert (row.worse.value, row.better.value) == (0.05, 0.01)
    assert row.difference == Estimate(0.04, 0.0, 0.05)
    assert math.copysign(1.0, row.difference.low) == 1.0  # -0.0 would be printed with its sign
    assert row.ratio == Estimate(5.0, 2.0, math.inf)
    assert (row.decided, row.decided_level) == (Estimate(5.0, 1.25, 8.0), 0.98)
    assert (row.grouping, row.is_ratio, row.alike) == (("town", "gender"), True, False)


def test_a_gap_that_already_has_the_worse_group_first_stays_as_it_is() -> None:
    row = gap_row(GAP | {"difference": 0.04, "difference_low": -0.01, "difference_high": 0.09})
    assert (row.worse.group, row.difference) == ("Ayr", Estimate(0.04, -0.01, 0.09))
    assert row.ratio == Estimate(0.2, 0.0, 0.5)
    assert row.decided == Estimate(0.2, 0.125, 0.8)


def test_an_interval_of_differences_that_decided_turns_round_with_its_gap() -> None:
    row = gap_row(GAP | {"scale": "difference", "margin": 0.02, "decided_low": -0.06, "decided_high": -0.01})
    assert (row.is_ratio, row.decided) == (False, Estimate(0.04, 0.01, 0.06))


@pytest.mark.parametrize("difference", [0.0, math.nan])
def test_among_equals_or_without_a_rate_neither_group_is_worse(difference: float) -> None:
    assert gap_row(GAP | {"difference": difference}).alike


def test_uncertain_labels_turn_round_with_their_gap_and_decide_the_verdict() -> None:
    row = gap_row(GAP | LABELS)
    assert row.labels is not None
    assert row.labels.difference == Estimate(0.03, -0.01, 0.06)
    assert row.labels.ratio == Estimate(2.0, 1.0, 4.0)
    assert (row.labels.outer.low, row.labels.outer.high) == (-0.02, 0.07)
    assert (row.verdict, row.differs, row.p_decided) == ("not enough data", False, 0.2)
    assert (gap_row(GAP).verdict, gap_row(GAP).differs, gap_row(GAP).p_decided) == ("gap", True, 0.03)


def test_the_widest_gap_stands_for_its_family_and_verdicts_are_counted() -> None:
    verdict = "not enough data"
    family = [
        gap_row(GAP | changed) for changed in ({}, {"difference": 0.5, "group_b": "Cadiz"}, {"difference": math.nan})
    ]
    row = verdict_row([*family, gap_row(GAP | {"verdict": verdict})])
    assert (row.widest.worse.group, row.widest.better.group) == ("Ayr", "Cadiz")
    assert row.verdicts == {"gap": 3, verdict: 1}
    nothing = [gap_row(GAP | {"difference": math.nan, "group_a": name}) for name in "xy"]
    assert widest(nothing).worse.group == "x"


def test_families_are_told_apart_by_metric_and_threshold_even_without_one() -> None:
    rows = [GAP, GAP | {"metric": "fta", "threshold": math.nan}, GAP | {"threshold": 0.6}, GAP]
    assert [len(family) for family in families(pd.DataFrame(rows))] == [2, 1, 1]


def test_every_gap_of_a_run_is_a_row_and_every_family_a_line(compared_run: tuple[Path, Run]) -> None:
    run = compared_run[1]
    rows = gap_rows(run)
    assert [(row.metric, row.p_holm) for row in rows] == list(
        zip(run.gaps["metric"], run.gaps["p_adjusted"], strict=True)
    )
    lines = verdict_rows(run)
    assert len(lines) == len(run.gaps.groupby(["family", "metric", "threshold"], dropna=False))
    assert sum(sum(line.verdicts.values()) for line in lines) == len(rows)
