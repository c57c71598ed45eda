"""The finding in two sentences: worst and best with n and interval, and what the difference is worth."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.report.finding import NOTHING, contrast, headline
from facegap.report.rows.rates import rate_rows
from facegap.report.worst_best import extremes
from facegap.store.run import Run


def test_two_sentences_name_worst_and_best_with_counts_people_and_interval(answered_run: tuple[Path, Run]) -> None:
    run = answered_run[1]
    found = contrast(run)
    assert found is not None
    assert found.grouping == run.record.groupings[0]
    first, second = headline(run)
    for row in (found.worst, found.best):
        counts = f"{row.rate.errors} of {row.rate.trials}, {row.rate.subjects} people, 95% interval"
        assert f"“{row.group}” ({counts}" in first
    assert found.worst.rate.value >= found.best.rate.value
    assert second.startswith("That is a difference of ")
    assert "among" not in second  # a primary family of one gap


def test_comparisons_are_told_at_their_threshold_and_as_a_ratio(compared_run: tuple[Path, Run]) -> None:
    first, second = headline(compared_run[1])
    assert first.startswith("At the threshold 0.")
    assert "takes two different people for one in" in first
    assert second.startswith("That is a ratio of ")
    assert "among 2 comparisons of groups that were tested together" in second


@pytest.mark.parametrize(
    ("verdict", "differs", "words"),
    [
        ("gap", True, "a gap that chance alone does not explain"),
        ("no gap larger than the margin", True, "no gap larger than 2 points, though not zero"),
        ("no gap larger than the margin", False, "no gap larger than 2 points ("),
        (
            "not enough data",
            False,
            "so few people cannot settle whether the groups differ; to find 2 points, about 1234 people",
        ),
    ],
)
def test_the_verdict_is_said_in_words(answered_run: tuple[Path, Run], verdict: str, differs: bool, words: str) -> None:
    run = answered_run[1]
    gaps = run.gaps.assign(verdict=verdict, differs=differs, subjects_needed=1234.0)
    assert words in headline(replace(run, gaps=gaps))[1]


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
    assert headline(replace(run, gaps=turned))[1] == headline(run)[1]


def test_where_nothing_can_be_compared_that_is_said_and_the_rate_of_everybody(
    answered_run: tuple[Path, Run], compared_run: tuple[Path, Run]
) -> None:
    for _, run in (answered_run, compared_run):
        first, second = headline(replace(run, record=replace(run.record, min_subjects=10_000)))
        assert first == NOTHING
        assert re.search(r" everybody \([\d,]+ of [\d,]+, [\d,]+ people, 95% interval [\d.]+ to [\d.]+%\)\.$", second)
    assert second.startswith("At the threshold 0.")
    nobody = answered_run[1].rates.assign(trials=0, value=np.nan)
    assert headline(replace(answered_run[1], rates=nobody)) == (NOTHING,)


def test_equal_groups_have_no_worst(answered_run: tuple[Path, Run]) -> None:
    run = answered_run[1]
    rates = run.rates.copy()
    chosen = rates["metric"] == "error_rate_all"
    rates.loc[chosen, ["errors", "trials"]] = np.array([5, 20])
    rates.loc[chosen, ["value", "low", "high"]] = np.array([0.25, 0.1, 0.4])
    widest = rates.index[chosen & (rates["town"] == "any") & (rates["gender"] == "male")][0]
    rates.loc[widest, "high"] = 0.7
    first, second = headline(replace(run, rates=rates))
    assert "25.0% of the images of every group large enough to rank; least is known of “male” (" in first
    assert first.endswith("people, 95% interval 10.0 to 70.0%).")
    assert second.startswith("Of all comparisons of the primary family, ")


def test_a_run_without_gaps_still_says_its_rates(answered_run: tuple[Path, Run]) -> None:
    run = answered_run[1]
    first, second = headline(replace(run, gaps=run.gaps.iloc[:0]))
    assert "gives a wrong answer or none for" in first
    assert second == "No pair of groups was tested."


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
    assert "0.00% in every group of enough subjects; least is known of " in said
    assert "interval [0.00, 10.00])" in said


def test_a_rate_without_an_interval_says_so(answered_run: tuple[Path, Run]) -> None:
    run = answered_run[1]
    first, _ = headline(replace(run, rates=run.rates.assign(low=np.nan, high=np.nan)))
    assert "people, no interval)" in first
    assert "nan" not in first


@pytest.mark.parametrize(
    ("drawn", "verdict", "words"),
    [
        (0, "gap", "a gap that chance alone does not explain (p "),
        (200, "gap", "a gap that chance alone does not explain (p "),
        (200, "not enough data", "so few people cannot settle whether the groups differ"),
    ],
)
def test_a_gap_by_uncertain_labels_has_one_verdict_that_counts_them_in(
    answered_run: tuple[Path, Run], drawn: int, verdict: str, words: str
) -> None:
    run = answered_run[1]
    gaps = run.gaps.assign(verdict=verdict, differs=True, label_draws=drawn, label_p_adjusted=0.0123)
    second = headline(replace(run, gaps=gaps))[1]
    assert words in second
    assert ("label uncertainty included" in second) == ("p = 0.0123" in second) == bool(drawn)
    assert ("gap that chance" in second) + ("cannot settle" in second) == 1


def test_a_tone_that_was_measured_is_not_told_as_if_it_were_the_persons(tmp_path: Path, make_answered: Any) -> None:
    tone = ["darker", "lighter"] * 40
    run = make_answered(tmp_path, ["Ayr", "Bonn"], measured_tone=tone)
    first, _ = headline(replace(run, record=replace(run.record, groupings=(("measured_tone",),))))
    assert re.search(r"“(darker|lighter)” by measured tone \(\d+ of 40, ", first)
