"""Significant results of a comparison: their number among the tested ones, clearest first."""

from __future__ import annotations

import math

from facegap.compare.differences import ALIKE, GREW, MORE
from facegap.compare.rows import ChangeRow, ComparisonRows, Counted, PairedRow
from facegap.compare.significant import MOST_SHOWN, clear_changes, clear_groups
from facegap.report.rows.gaps import Estimate
from facegap.statistics.verdicts import EXPLORATORY

METRIC = "error_rate_all"


def paired(group: str, p: float, verdict: str, family: str = "town", run: str = "new") -> PairedRow:
    first, other = Counted("old", math.nan, 1, 10), Counted(run, math.nan, 5, 10)
    difference = Estimate(0.4, 0.1, 0.7)
    return PairedRow(METRIC, family, group, first, other, 10, True, (4, 0), difference, p, "McNemar", verdict)


def change(pair: tuple[str, str], p: float, verdict: str) -> ChangeRow:
    a, b = pair
    return ChangeRow(
        METRIC, "town", a, b, "old", "new", math.nan, False, 0.1, 0.3, Estimate(0.2, 0.1, 0.3), p, p, verdict
    )


def test_groups_are_counted_among_those_tested_and_the_clearest_comes_first() -> None:
    rows = [paired("Ayr", 0.03, MORE), paired("Bonn", 0.01, MORE), paired("Cork", 0.5, ALIKE)]
    rows += [paired("all", 0.001, MORE, family=""), paired("Deal", 0.001, EXPLORATORY), paired("Ely", math.nan, "none")]
    found = clear_groups(ComparisonRows((), tuple(rows), (), ()), [METRIC])
    assert found.counted == "Of 3 differences that were tested, 2 are significant."
    assert [row[0] for row in found.table.rows] == ["Bonn", "Ayr"]
    assert "model" not in found.table.columns
    assert found.table.rows[0][-2:] == ("+40.00 points [10.00, 70.00]", MORE)


def test_with_several_other_models_each_row_names_its_own() -> None:
    rows = (paired("Ayr", 0.03, MORE), paired("Ayr", 0.02, MORE, run="newest"))
    found = clear_groups(ComparisonRows((), rows, (), ()), [METRIC])
    assert [row[1] for row in found.table.rows] == ["newest", "new"]


def test_gaps_that_did_not_change_are_counted_and_not_shown() -> None:
    rows = (change(("Ayr", "Bonn"), 0.01, GREW), change(("Ayr", "Cork"), 0.9, ALIKE))
    found = clear_changes(ComparisonRows((), (), rows, ()), [METRIC])
    assert found.counted == "Of 2 gaps that were tested, 1 changed significantly."
    assert [row[0] for row in found.table.rows] == ["Ayr minus Bonn"]
    assert found.table.rows[0][2] == "+10.00 points, +30.00 points"


def test_sentences_say_that_nothing_is_significant_or_tested() -> None:
    alike = clear_changes(ComparisonRows((), (), (change(("Ayr", "Bonn"), 0.9, ALIKE),), ()), [METRIC])
    assert (alike.counted, alike.table.rows) == ("Of 1 gap that was tested, none changed significantly.", ())
    assert clear_groups(ComparisonRows((), (), (), ()), [METRIC]).counted == "No difference was tested."


def test_only_the_clearest_of_many_are_shown_and_the_sentence_says_so() -> None:
    rows = tuple(paired(f"town {k:02d}", 0.001 * k, MORE) for k in range(1, MOST_SHOWN + 4))
    found = clear_groups(ComparisonRows((), rows, (), ()), [METRIC])
    assert len(found.table.rows) == MOST_SHOWN
    assert found.counted.endswith(f"are significant; the {MOST_SHOWN} clearest are shown.")
