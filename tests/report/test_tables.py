"""A table of text is rows of values under a list of columns."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.api import audit_embeddings
from facegap.audit.settings import Verify
from facegap.report.groups import gap_line, gap_table, matrix_tables, ratio_text
from facegap.report.summary import findings
from facegap.report.tables import cell, people_behind, rate_tables
from facegap.report.text import score
from facegap.statistics.intervals import clopper_pearson
from facegap.store.run import Run


def audited(
    folder: Path, labels: list[str], *, mates: int, least: int = 5, threshold: tuple[float, ...] = (0.9,)
) -> Run:
    """One image of each person of a town, and a second of the first `mates`; towns are the labels."""
    rng = np.random.default_rng(3)
    people = np.concatenate([np.arange(len(labels)), np.arange(mates)])
    rows = rng.normal(size=(len(labels), 6))[people] + 0.2 * rng.normal(size=(len(people), 6))
    np.save(folder / "t.npy", rows)
    frame = pd.DataFrame({"image": [f"i{k}" for k in range(len(people))], "subject": people})
    frame["town"] = [labels[k] for k in people]
    frame.to_csv(folder / "m.csv", index=False)
    chosen = Verify(threshold=threshold)
    return audit_embeddings(
        folder / "t.npy", folder / "m.csv", by="town", verify=chosen, groups={"min_subjects": least}
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three towns of 12 people; only 3 of the first town have a second image."""
    folder = tmp_path_factory.mktemp("towns")
    return audited(folder, ["Ayr"] * 12 + ["Bonn"] * 12 + ["Cadiz"] * 12, mates=3, threshold=(0.5, 0.99))


def test_a_matrix_is_square_symmetric_and_says_where_its_threshold_comes_from(run: Run) -> None:
    low, high = matrix_tables(run)
    assert low.title == "town: who is mistaken for whom (FMR), threshold 0.5000"
    assert high.title.endswith("threshold 0.9900")
    assert low.columns == ("group", "Ayr", "Bonn", "Cadiz")
    assert [row[0] for row in low.rows] == ["Ayr", "Bonn", "Cadiz"]
    cells = [row[1:] for row in low.rows]
    assert all(cells[i][j] == cells[j][i] != "" for i in range(3) for j in range(3))
    assert "Threshold: given." in low.notes
    ayr = run.rates[(run.rates["metric"] == "fmr") & (run.rates["town"] == "Ayr") & (run.rates["other_town"] == "")]
    assert cells[0][0] == cell(ayr[ayr["threshold"] == 0.5].iloc[0].to_dict())


def test_a_cell_without_error_shows_both_limits_and_says_which_holds(run: Run) -> None:
    _, high = matrix_tables(run)
    pairs = 12 * 12  # of Bonn and Cadiz
    alone = 100 * clopper_pearson(0, pairs)[1]
    assert high.rows[1][3] == f"0.00 % [0.00, 26.46] 0/{pairs} (pairs alone: {alone:.2f} %)"
    assert any("disjoint pairs of subjects" in note for note in high.notes)


def test_a_rate_on_fewer_people_than_its_group_has_says_so(run: Run) -> None:
    table = next(table for table in rate_tables(run) if table.title == "town, threshold 0.5000")
    place = table.columns.index("falsely refused (FNMR)")
    assert table.rows[0][:2] == ("Ayr", "12")
    assert table.rows[0][place].endswith("/3, only 3 subjects")
    assert table.rows[1][place] == "– – 0/0"
    assert "Groups of fewer than 5 subjects are shown but never ranked." in table.notes
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
    assert people_behind({"subjects": own, "trials": trials, "metric": metric}, 12, 5) == expected


def test_gaps_name_their_threshold_and_its_source(run: Run) -> None:
    table = gap_table(run)
    place = table.columns.index("threshold")
    of_fmr = [row for row in table.rows if row[1] == "falsely matched (FMR)"]
    assert [row[place] for row in of_fmr] == ["0.5000", "0.9900"]
    assert next(row for row in table.rows if "FTA" in row[1])[place] == "–"
    assert "Threshold 0.5000: given." in table.notes
    assert "Threshold 0.9900: given." in table.notes


def gap(**changed: Any) -> pd.DataFrame:
    row = {
        "metric": "fmr",
        "model": "m",
        "threshold": 0.5,
        "family": "town",
        "group_a": "Ayr",
        "group_b": "Bonn",
        "errors_a": 1,
        "trials_a": 100,
        "subjects_a": 30,
        "errors_b": 4,
        "trials_b": 100,
        "subjects_b": 30,
        "difference": -0.03,
        "difference_low": -0.05,
        "difference_high": -0.01,
        "ratio": 0.25,
        "ratio_low": 0.1,
        "ratio_high": 0.5,
        "p": 0.01,
        "p_adjusted": 0.01,
        "margin": 2.0,
        "differs": True,
        "within_margin": False,
        "verdict": "gap",
        "subjects_needed": 100.0,
    }
    return pd.DataFrame([row | changed])


def test_the_gap_table_says_that_its_intervals_are_each_for_itself_and_p_is_not(run: Run) -> None:
    assert (
        "Brackets are 95 % intervals, each of one gap by itself; p is Holm's over all pairs" in gap_table(run).notes[0]
    )


def test_the_worse_group_stands_first_whichever_was_a() -> None:
    line = gap_line(gap())
    assert line[3] == "Bonn against Ayr"
    assert line[4] == "3.00 % [1.00, 5.00]"
    assert line[5] == "4.00 [2.00, 10.00]"
    assert line[6] == "4/100 against 1/100"


@pytest.mark.parametrize("difference", [0.0, math.nan])
def test_among_equals_or_without_rates_nobody_is_worst(difference: float) -> None:
    line = gap_line(gap(difference=difference, difference_low=difference, difference_high=difference))
    assert line[3] == "–"


def test_the_widest_gap_of_a_family_is_the_line() -> None:
    family = pd.concat([gap(), gap(group_b="Cadiz", difference=-0.5), gap(group_b="Delft", difference=math.nan)])
    assert gap_line(family.reset_index(drop=True))[3] == "Cadiz against Ayr"
    assert gap_line(family.reset_index(drop=True))[-1] == "3 gap"


def test_a_ratio_to_nothing_is_infinite_and_turns_around() -> None:
    assert ratio_text({"ratio": 0.0, "ratio_low": 0.0, "ratio_high": 0.5}, -1) == "∞ [2.00, ∞]"
    assert ratio_text({"ratio": math.nan, "ratio_low": math.nan, "ratio_high": math.nan}, -1) == "– [–, –]"


def test_a_wide_matrix_shows_its_first_columns_and_says_so(tmp_path: Path) -> None:
    (table,) = matrix_tables(audited(tmp_path, [f"town {k:02d}" for k in range(10) for _ in (0, 1)], mates=0))
    assert len(table.columns) == 1 + 8
    assert len(table.rows) == 10
    assert "The first 8 of 10 groups; all are in rates.csv." in table.notes


def test_too_many_groups_for_a_matrix_are_said_and_one_group_has_none(tmp_path: Path) -> None:
    (table,) = matrix_tables(audited(tmp_path, [f"town {k:02d}" for k in range(41)], mates=0))
    assert table.rows == ()
    assert table.notes == ("41 groups, more than 40: no matrix.",)
    assert matrix_tables(audited(tmp_path, ["Ayr"] * 8, mates=2)) == []


def test_the_finding_names_the_source_of_its_threshold(run: Run) -> None:
    said = findings(run)
    assert said
    assert all(sentence.endswith("(given)") for sentence in said)
    assert not any("FNMR" in sentence for sentence in said)  # no two towns have enough people with a mate


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.38764, "0.3876"),
        (0.0, "0.0000"),
        (-0.25, "-0.2500"),
        (0.00031234, "0.0003123"),
        (-1234567.0, "-1.235e+06"),
        (math.nan, "–"),
    ],
)
def test_a_threshold_keeps_its_digits_whatever_the_scale_of_the_scores(value: float, text: str) -> None:
    assert score(value) == text
