"""Rates as values: the same numbers as rates.csv, and a matrix that is symmetric."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from facegap.report.rows.frames import own_rates
from facegap.report.rows.rates import RateRow, matrix_rows, pairs_alone, rate_rows, widest_interval
from facegap.statistics.effective import EXACT_PAIRS
from facegap.store.run import Run
from facegap.types import Group, Rate


def test_every_rate_within_a_group_is_a_row_with_the_numbers_of_the_table(compared_run: tuple[Path, Run]) -> None:
    run = compared_run[1]
    rows, table = rate_rows(run), own_rates(run)
    assert len(rows) == len(table) < len(run.rates)
    for name in ("errors", "trials", "subjects", "low", "high", "value"):
        assert [getattr(row.rate, name) for row in rows] == pytest.approx(table[name].tolist(), nan_ok=True)
    assert [row.group for row in rows] == table["group"].tolist()
    assert [row.grouping for row in rows] == table["grouping"].tolist()


def test_a_rate_is_reliable_from_the_least_number_of_subjects_on(towns_run: Run) -> None:
    fnmr = {str(row.group): row for row in rate_rows(towns_run) if row.metric == "fnmr"}
    assert fnmr["Ayr"].rate.subjects == 3 < towns_run.record.min_subjects == 5
    assert not fnmr["Ayr"].reliable
    assert all(row.reliable for row in rate_rows(towns_run) if row.metric == "fmr")


def test_a_matrix_holds_every_pair_of_groups_in_both_orders(towns_run: Run) -> None:
    low, high = matrix_rows(towns_run)
    assert (low.point.threshold, high.point.threshold) == (0.5, 0.99)
    assert [str(group) for group in low.groups] == ["Ayr", "Bonn", "Cadiz"]
    assert len(low.cells) == 9
    assert all(low.cells[group, other] is low.cells[other, group] for group in low.groups for other in low.groups)
    assert low.has_pairs
    ayr, bonn = low.groups[:2]
    assert low.cells[ayr, ayr].rate.trials == 15 * 14 // 2 - 3  # 15 images, minus the 3 pairs of the same person
    assert low.cells[ayr, bonn].rate.trials == 15 * 12


def test_a_group_without_a_label_is_known_by_it() -> None:
    rate = Rate(1, 10)
    known, unknown = (
        RateRow("fta", "m", math.nan, "", Group((("tone", tone),)), rate, True) for tone in ("II", "unknown")
    )
    assert known.labelled
    assert not unknown.labelled


def test_only_a_rate_over_pairs_without_error_has_a_limit_of_independent_pairs() -> None:
    assert pairs_alone(Rate(0, 100, method=EXACT_PAIRS)) == pytest.approx(1 - 0.025 ** (1 / 100))
    assert math.isnan(pairs_alone(Rate(1, 100, method=EXACT_PAIRS)))
    assert math.isnan(pairs_alone(Rate(0, 100, method="wilson")))


def test_least_is_known_of_the_widest_interval_and_before_all_of_none() -> None:
    ends = [(0.1, 0.2), (0.0, 0.5), (0.3, 0.4)]
    rows = [RateRow("fta", "m", math.nan, "", Group(()), Rate(1, 9, low=low, high=high), True) for low, high in ends]
    assert widest_interval(rows).rate.high == 0.5
    none = RateRow("fta", "m", math.nan, "", Group(()), Rate(1, 9), True)
    assert widest_interval([*rows, none]) is none
