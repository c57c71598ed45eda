"""Groups in which one person has more than a third of the trials."""

from __future__ import annotations

from typing import Any

import pandas as pd

from facegap.derive.weights import MOST_NAMED, concentrated_trials, rates_by_weight


def row(metric: str, gender: str, share: float, units: int = 25, other: str = "") -> dict[str, Any]:
    return {"metric": metric, "gender": gender, "other_gender": other, "largest_share": share, "units": units}


def test_the_group_the_kind_of_trial_and_the_proportion_are_named() -> None:
    rates = pd.DataFrame(
        [
            row("error_rate_all", "female", 0.41),
            row("error_rate_answered", "female", 0.44),
            row("fnmr", "female", 0.5),
            row("error_rate_all", "any", 0.35),
            row("error_rate_all", "male", 1 / 3),
        ]
    )
    assert concentrated_trials(rates, [("gender",)]) == (
        "one person has 44% of the images of female",
        "one person has 50% of the genuine pairs of female",
        "one person has 35% of the images of everybody",
    )
    assert (
        concentrated_trials(rates, [("gender",)], ["session"])[0]
        == "one unit of session has 44% of the images of female"
    )


def test_groups_without_a_label_cells_of_the_matrix_and_two_people_are_not_named() -> None:
    rates = pd.DataFrame(
        [row("fmr", "unknown", 0.5), row("fmr", "female", 0.5, other="male"), row("fmr", "male", 0.5, units=2)]
    )
    assert concentrated_trials(rates, [("gender",)]) == ()


def test_after_a_dozen_sentences_the_rest_is_counted() -> None:
    rates = pd.DataFrame([row("fta", f"g{k:02d}", 0.6) for k in range(MOST_NAMED + 3)])
    said = concentrated_trials(rates, [("gender",)])
    assert len(said) == MOST_NAMED + 1
    assert said[-1] == "one person has a similar proportion in 3 more groups of trials"


def test_both_rates_are_named_where_people_with_many_trials_differ() -> None:
    numbers = {"threshold": float("nan"), "errors": 10, "trials": 100, "low": 0.08, "high": 0.12, "weighs": "trials"}
    rates = pd.DataFrame(
        [
            {**row("error_rate_all", "female", 0.1), **numbers, "per_person": 0.3},
            {**row("error_rate_all", "male", 0.1), **numbers, "per_person": 0.119},
            {**row("fnmr", "any", 0.1), **numbers, "per_person": 0.05, "threshold": 0.5},
            {**row("fmr", "any", 0.1), **numbers, "per_person": float("nan"), "threshold": 0.5},
        ]
    )
    said = rates_by_weight(rates, [("gender",)])
    assert len(said) == 2
    assert (
        "the rate of female (gender misclassified or unanswered) is 10.00% over all trials, but 30.00% with equal "
        "weight for each person; the interval of the former is 8.00%" in said[0]
    )
    assert "of everybody (falsely rejected (FNMR) at threshold 0.5000) is 10.00% over all trials, but 5.00%" in said[1]
