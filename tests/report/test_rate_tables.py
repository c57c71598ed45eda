"""Rates by group: every number with its people, and both limits of a rate without error."""

from __future__ import annotations

import math

import pytest

from facegap.report.rate_tables import NO_ERROR, count_text, people_behind, rate_table, rate_tables
from facegap.report.rows.rates import RateRow
from facegap.statistics.effective import EXACT_PAIRS
from facegap.store.run import Run
from facegap.types import Group, Rate


def test_a_rate_on_fewer_people_than_its_group_has_says_so(towns_run: Run) -> None:
    table = next(table for table in rate_tables(towns_run) if table.title == "town, threshold 0.5000")
    place = table.columns.index("falsely rejected (FNMR)")
    assert table.rows[0][:2] == ("Ayr", "12")
    assert table.rows[0][place].endswith("/3, only 3 subjects")
    assert table.rows[1][place] == "– – 0/0"
    assert "Groups of fewer than 5 effective subjects are shown but not ranked." in table.notes
    assert table.dimmed == frozenset()


@pytest.mark.parametrize(
    ("own", "trials", "metric", "expected"),
    [
        (12, 9, "fnmr", ""),
        (7, 9, "fnmr", ", 7 subjects"),
        (3, 9, "fnmr", ", only 3 subjects"),
        (0, 0, "fnmr", ""),
        (3, 9, "error_rate_answered", ""),
    ],
)
def test_people_behind_a_rate_are_named_where_they_are_fewer(own: int, trials: int, metric: str, expected: str) -> None:
    row = RateRow(metric, "m", 0.5, "given", Group((("town", "Ayr"),)), Rate(0, trials, own), reliable=own >= 5)
    assert people_behind(row, 12, 5) == expected


def test_a_rate_is_written_with_interval_and_counts() -> None:
    assert count_text(Rate(6, 120, 60, 100.0, 0.02, 0.11)) == "5.00% [2.00, 11.00] 6/120"
    assert count_text(Rate(0, 0)) == "– – 0/0"


def test_a_rate_without_error_over_pairs_names_the_limit_of_independent_pairs() -> None:
    rate = Rate(0, 144, 24, 12.0, 0.0, 0.2646, method=EXACT_PAIRS)
    assert count_text(rate) == "0.00% [0.00, 26.46] 0/144 (pairs alone: 2.53%)"  # 1 - 0.025 ** (1 / 144)


def test_a_threshold_without_a_false_match_explains_its_two_limits(towns_run: Run) -> None:
    tables = {table.title: table for table in rate_tables(towns_run)}
    assert NO_ERROR in tables["town, threshold 0.9900"].notes
    assert NO_ERROR not in tables["all subjects"].notes


def row_of(rate: Rate, group: str = "Ayr", metric: str = "error_rate_all") -> RateRow:
    return RateRow(metric, "m", math.nan, "", Group((("town", group),)), rate, reliable=rate.people >= 20)


def test_effective_people_one_who_holds_much_and_the_rate_by_person_stand_beside_the_table() -> None:
    uneven = Rate(9, 60, 25, 20.0, 0.1, 0.2, units=25, effective_subjects=3.04, largest_share=0.41, per_person=0.3)
    even = Rate(9, 60, 30, 60.0, 0.1, 0.2, units=30, effective_subjects=30.0, largest_share=0.03, per_person=0.15)
    table = rate_table([row_of(uneven), row_of(even, "Bonn")], "town", 20)
    assert [row[1] for row in table.rows] == ["25 (3.0 effective)", "30"]
    assert table.dimmed == {0}
    assert "One person has 41% of the images of Ayr." in table.notes
    assert any(
        note.endswith("outside the interval: Ayr, gender misclassified or unanswered: 30.00%.") for note in table.notes
    )


def test_units_stand_beside_subjects_where_they_vary() -> None:
    rate = Rate(9, 60, 30, 20.0, 0.1, 0.2, units=6, effective_subjects=5.5, largest_share=0.5)
    table = rate_table([row_of(rate)], "town", 5, cluster=("session",))
    assert table.columns[:3] == ("group", "subjects", "units")
    assert table.rows[0][:3] == ("Ayr", "30", "6")
    assert "One unit of session has 50% of the images of Ayr." in table.notes
