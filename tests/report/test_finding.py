"""The groups of the finding: those with the highest and the lowest rate, and the gap between them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from facegap.report.finding import contrast
from facegap.report.rows.rates import rate_rows
from facegap.report.worst_best import extremes
from facegap.store.run import Run


def test_the_worst_and_the_best_group_of_the_first_grouping_are_told(answered_run: tuple[Path, Run]) -> None:
    run = answered_run[1]
    found = contrast(run)
    assert found is not None
    assert found.grouping == run.record.groupings[0]
    assert found.worst.rate.value >= found.best.rate.value
    assert found.gap is not None
    assert {found.gap.worse.group, found.gap.better.group} == {str(found.worst.group), str(found.best.group)}


def test_the_difference_is_that_of_the_worse_group_whichever_was_a(answered_run: tuple[Path, Run]) -> None:
    run = answered_run[1]
    other = {"a": "b", "b": "a"}
    swapped = run.gaps.rename(columns=lambda name: name[:-1] + other[name[-1]] if name[-2:] in ("_a", "_b") else name)
    turned = swapped.assign(
        difference=-run.gaps["difference"],
        difference_low=-run.gaps["difference_high"],
        difference_high=-run.gaps["difference_low"],
        decided_low=-run.gaps["decided_high"],
        decided_high=-run.gaps["decided_low"],
    )
    one, two = contrast(run), contrast(replace(run, gaps=turned))
    assert one is not None and two is not None
    assert one.gap is not None and two.gap is not None
    assert (one.gap.difference, one.gap.decided) == (two.gap.difference, two.gap.decided)


def test_where_no_two_groups_are_large_enough_there_is_no_contrast(answered_run: tuple[Path, Run]) -> None:
    run = answered_run[1]
    assert contrast(replace(run, record=replace(run.record, min_subjects=10_000))) is None


def test_a_run_without_gaps_still_has_its_rates(answered_run: tuple[Path, Run]) -> None:
    found = contrast(replace(answered_run[1], gaps=answered_run[1].gaps.iloc[:0]))
    assert found is not None
    assert found.gap is None


def test_groups_without_any_error_are_told_with_counts_and_interval_of_the_least_known(
    answered_run: tuple[Path, Run],
) -> None:
    run = answered_run[1]
    chosen = (run.rates["metric"] == "error_rate_all") & (run.rates["gender"] != "any") & (run.rates["town"] == "any")
    rates = run.rates.copy()
    rates.loc[chosen, "errors"] = 0
    rates.loc[chosen, ["value", "low", "high"]] = np.array([0.0, 0.0, 0.1])
    said = next(
        text for text in extremes(rate_rows(replace(run, rates=rates)), "error_rate_all") if text.startswith("gender:")
    )
    assert "0.00% in every group of enough subjects; the widest interval is that of " in said
    assert "interval [0.00, 10.00])" in said
