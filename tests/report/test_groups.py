"""The cross-group matrix and the gaps: thresholds with their source, no worst group in ties, one style everywhere."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facegap.report.groups import (
    TERMINAL,
    all_gaps_table,
    decided_text,
    gap_table,
    matrix_tables,
    page_families,
    verdict_table,
)
from facegap.report.rate_tables import count_text
from facegap.report.rows.gaps import gap_row, verdict_row, verdict_rows
from facegap.report.rows.rates import rate_of
from facegap.report.summary import findings
from facegap.report.text import points
from facegap.statistics.intervals import clopper_pearson
from facegap.store.run import Run

GAP: dict[str, Any] = {
    "metric": "fmr",
    "model": "m",
    "threshold": 0.5,
    "threshold_from": "given",
    "family": "town",
    "primary": True,
    "group_a": "Ayr",
    "group_b": "Bonn",
    "errors_a": 1,
    "trials_a": 100,
    "subjects_a": 30,
    "errors_b": 4,
    "trials_b": 100,
    "subjects_b": 30,
    "rate_a": 0.01,
    "rate_b": 0.04,
    "dominated_by_a": 0,
    "dominated_by_b": 0,
    "difference": -0.03,
    "difference_low": -0.05,
    "difference_high": -0.01,
    "ratio": 0.25,
    "ratio_low": 0.1,
    "ratio_high": 0.5,
    "p": 0.01,
    "p_adjusted": 0.01,
    "margin": 2.0,
    "scale": "ratio",
    "differs": True,
    "within_margin": False,
    "verdict": "gap",
    "decided_low": 0.1,
    "decided_high": 0.8,
    "decided_level": 0.98,
    "subjects_needed": 100.0,
    "label_draws": 0,
}


def test_a_matrix_is_square_symmetric_and_says_where_its_threshold_comes_from(towns_run: Run) -> None:
    low, high = matrix_tables(towns_run)
    assert low.title == "town: false matches between groups (FMR), threshold 0.5000"
    assert high.title.endswith("threshold 0.9900")
    assert low.columns == ("group", "Ayr", "Bonn", "Cadiz")
    assert [row[0] for row in low.rows] == ["Ayr", "Bonn", "Cadiz"]
    cells = [row[1:] for row in low.rows]
    assert all(cells[i][j] == cells[j][i] != "" for i in range(3) for j in range(3))
    assert "Threshold: given." in low.notes
    ayr = towns_run.rates[
        (towns_run.rates["metric"] == "fmr")
        & (towns_run.rates["town"] == "Ayr")
        & (towns_run.rates["other_town"] == "")
    ]
    assert cells[0][0] == count_text(rate_of(ayr[ayr["threshold"] == 0.5].iloc[0].to_dict()))


def test_a_cell_without_error_shows_both_limits_and_says_which_holds(towns_run: Run) -> None:
    _, high = matrix_tables(towns_run)
    pairs = 12 * 12  # of Bonn and Cadiz
    alone = 100 * clopper_pearson(0, pairs)[1]
    assert high.rows[1][3] == f"0.00% [0.00, 26.46] 0/{pairs} (pairs alone: {alone:.2f}%)"
    assert any("disjoint pairs of subjects" in note for note in high.notes)


def test_gaps_name_their_threshold_and_its_source(towns_run: Run) -> None:
    table = gap_table(towns_run)
    place = table.columns.index("threshold")
    of_fmr = [row for row in table.rows if row[1] == "falsely matched (FMR)"]
    assert [row[place] for row in of_fmr] == ["0.5000", "0.9900"]
    assert next(row for row in table.rows if "FTA" in row[1])[place] == "–"
    assert "Threshold 0.5000: given." in table.notes
    assert "Threshold 0.9900: given." in table.notes


def test_the_gap_table_says_what_its_intervals_decided_and_by_which_margins(towns_run: Run) -> None:
    assert (
        "The interval is the one on which the verdict is based, at the level shown, which is adjusted for all gaps that are tested"
        in gap_table(towns_run).notes[0]
    )


def line(**changed: Any) -> tuple[str, ...]:
    """The terminal line of a family with one gap."""
    row = verdict_row([gap_row(GAP | changed)])
    return tuple(column.say(row) for column in TERMINAL)


def test_the_worse_group_stands_first_whichever_was_a() -> None:
    assert line()[3:7] == ("Bonn against Ayr", "3.00 points", "4.00", "4/100 against 1/100")


@pytest.mark.parametrize("difference", [0.0, math.nan])
def test_among_equals_or_without_rates_nobody_is_worst(difference: float) -> None:
    assert line(difference=difference, difference_low=difference, difference_high=difference)[3] == "–"


def test_a_ratio_to_nothing_is_infinite_and_turns_around() -> None:
    without_end = line(ratio=0.0, decided_low=0.0, decided_high=0.8)
    assert (without_end[5], without_end[8]) == ("∞", "ratio [1.25, ∞], 98%")
    nothing = line(ratio=math.nan, decided_low=math.nan, decided_high=math.nan, decided_level=math.nan)
    assert (nothing[5], nothing[8]) == ("–", "–")


def test_a_difference_is_in_points_and_its_margin_too() -> None:
    within = {"metric": "fnmr", "scale": "difference", "margin": 0.02, "verdict": "no gap larger than the margin"}
    assert line(**within)[9] == "no gap larger than 2 points, though not zero"
    assert line(**within, differs=False)[9] == "no gap larger than 2 points"
    assert line(verdict="no gap larger than the margin", differs=False)[9] == "no gap larger than a ratio of 2"


def test_page_and_terminal_write_the_same_rows(towns_run: Run) -> None:
    rows = verdict_rows(towns_run)
    terminal, page = gap_table(towns_run), all_gaps_table(rows, towns_run)
    told = {(row[3], row[4], row[5]) for row in terminal.rows}
    assert {(row[1], row[3], row[4]) for row in page.rows} == told
    assert len(page.rows) == len(terminal.rows)
    assert page.notes == terminal.notes


def test_the_short_table_has_the_gap_with_its_interval_and_the_verdict(towns_run: Run) -> None:
    rows = verdict_rows(towns_run)
    table = verdict_table(rows)
    assert table.columns == ("metric and grouping", "worse against better", "gap", "verdict")
    for row, cells in zip(rows, table.rows, strict=True):
        level = decided_text(row.widest).rsplit(", ", 1)[1]
        assert cells[2].endswith(f" at {level}")
        assert cells[2].startswith("ratio " if row.widest.is_ratio else points(row.widest.difference.value))


def test_a_row_that_repeats_another_is_not_shown_and_one_that_differs_is(towns_run: Run) -> None:
    gfar = towns_run.gaps["metric"] == "gfar"
    of_fmr = towns_run.gaps[towns_run.gaps["metric"] == "fmr"]
    counted = ["errors_a", "errors_b", "trials_a", "trials_b", "subjects_a", "subjects_b"]
    same = towns_run.gaps.copy()
    same.loc[gfar, counted] = of_fmr[counted].to_numpy()
    shown, said = page_families(replace(towns_run, gaps=same))
    assert "gfar" not in {row.widest.metric for row in shown}
    assert any("(GFAR)" in sentence for sentence in said)
    other = same.copy()
    other.loc[gfar, "trials_a"] += 1
    shown, said = page_families(replace(towns_run, gaps=other))
    assert "gfar" in {row.widest.metric for row in shown}


def test_a_wide_matrix_shows_its_first_columns_and_says_so(tmp_path: Path, make_towns: Any) -> None:
    (table,) = matrix_tables(make_towns(tmp_path, [f"town {k:02d}" for k in range(10) for _ in (0, 1)], mates=0))
    assert len(table.columns) == 1 + 8
    assert len(table.rows) == 10
    assert "The first 8 of 10 groups; all are in rates.csv." in table.notes


def test_too_many_groups_for_a_matrix_are_said_and_one_group_has_none(tmp_path: Path, make_towns: Any) -> None:
    (table,) = matrix_tables(make_towns(tmp_path, [f"town {k:02d}" for k in range(41) for _ in range(2)], mates=0))
    assert table.rows == ()
    assert table.notes == ("41 groups, more than 40: no matrix.",)
    assert matrix_tables(make_towns(tmp_path, ["Ayr"] * 8, mates=2)) == []


def test_the_finding_names_the_source_of_its_threshold(towns_run: Run) -> None:
    said = findings(towns_run)
    assert said
    assert all(sentence.endswith("(given)") for sentence in said)
    assert not any("FNMR" in sentence for sentence in said)  # no two towns have enough people with a mate
