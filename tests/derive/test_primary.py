"""The primary family of a run is one Holm family; all other gaps are exploratory."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facegap import audit_predictions
from facegap.derive.primary import primary_family, primary_rows
from facegap.statistics import gap_family, holm
from facegap.statistics.gap_families import GapFamily
from facegap.statistics.gaps import jointly_tested
from facegap.statistics.verdicts import EXPLORATORY, VERDICTS


def family(metric: str, errors: list[int], *, threshold: float = float("nan"), margin: float = 0.02) -> GapFamily:
    sizes = [200] * len(errors)
    scale = "ratio" if margin > 1 else "difference"
    names = [f"g{k}" for k in range(len(errors))]
    return gap_family(
        names, errors, sizes, sizes, sizes, margin=margin, scale=scale, metric=metric, threshold=threshold
    )


# ---- Holm over several metrics ----


def test_two_families_tested_together_have_holms_p_over_both() -> None:
    first, second = family("error_rate_all", [40, 20]), family("fmr", [30, 16, 12], margin=2.0)
    both = jointly_tested([first, second])
    p = np.concatenate([first.columns.p, second.columns.p])
    assert np.concatenate([one.columns.p_adjusted for one in both]).tolist() == holm(p).tolist()
    assert [one.tests for one in both] == [4, 4]


def test_an_interval_that_decides_allows_for_all_gaps_of_the_run() -> None:
    first, second = family("error_rate_all", [60, 10]), family("fmr", [30, 16, 12], margin=2.0)
    together = jointly_tested([first, second])[0]
    assert together.columns.verdict.tolist() == ["gap larger than the margin"]
    assert together.columns.decided_level[0] == pytest.approx(1 - 0.05 / 4)
    assert first.columns.decided_level[0] == pytest.approx(1 - 0.05)
    assert together.columns.decided_low[0] < first.columns.decided_low[0]


def test_a_verdict_alone_may_not_stand_in_the_run() -> None:
    alone = family("error_rate_all", [38, 22])
    assert alone.columns.verdict.tolist() == ["gap"]
    others = [family("fmr", [20, 20, 20], margin=2.0)] * 3
    assert jointly_tested([alone, *others])[0].columns.verdict.tolist() == ["not enough data"]


def test_alone_a_family_is_what_it_was_to_the_last_bit() -> None:
    one = family("error_rate_all", [60, 10, 22])
    (again,) = jointly_tested([one])
    assert again.to_dict() == one.to_dict()


def test_an_exploratory_gap_has_p_and_interval_and_that_word_for_a_verdict() -> None:
    one = family("error_rate_all", [60, 10, 22])
    (explored,) = jointly_tested([one], is_primary=False)
    assert set(explored.columns.verdict.tolist()) == {EXPLORATORY}
    assert explored.columns.p_adjusted.tolist() == one.columns.p_adjusted.tolist()
    excluded = (explored.columns.decided_low > 0) | (explored.columns.decided_high < 0)
    assert excluded.tolist() == (explored.columns.p_adjusted <= 0.05).tolist()


# ---- which gaps are primary ----


def record_of(run: object, groupings: tuple[tuple[str, ...], ...]) -> object:
    from dataclasses import replace

    return replace(run.record, groupings=groupings)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder: Path = tmp_path_factory.mktemp("primary")
    image = [f"{k}.png" for k in range(80)]
    people = pd.DataFrame({"image": image, "subject": image, "gender": ["female", "male"] * 40})
    people["town"] = ["Ayr"] * 40 + ["Bonn"] * 40
    people.to_csv(folder / "people.csv", index=False)
    pd.DataFrame({"image": image, "prediction": ["male"] * 80}).to_csv(folder / "said.csv", index=False)
    return audit_predictions(folder / "said.csv", folder / "people.csv", by="gender,town,gender*town")


def test_without_a_plan_it_is_the_first_term_over_errors_and_both_match_rates(run: object) -> None:
    record = record_of(run, (("gender",), ("town",)))
    found = primary_family(record, ["fta", "error_rate_all", "fmr", "fnmr", "gfar", "fnir"])  # type: ignore[arg-type]
    assert (found.groupings, found.metrics) == ((("gender",),), ("error_rate_all", "fmr", "fnmr"))


@pytest.mark.parametrize(
    ("metrics", "chosen"),
    [
        (["fta"], ("fta",)),
        (["fta", "no_answer_rate"], ("no_answer_rate",)),
        (["fta", "age_error_over_5"], ("age_error_over_5",)),
        (["fta", "fnir", "fpir"], ("fnir",)),
        (["fta", "fnmr", "gfrr"], ("fnmr",)),
        ([], ()),
    ],
)
def test_a_run_without_these_takes_the_first_that_judges_a_result(
    run: object, metrics: list[str], chosen: tuple[str, ...]
) -> None:
    assert primary_family(record_of(run, (("gender",),)), metrics).metrics == chosen  # type: ignore[arg-type]


def test_only_the_first_threshold_is_primary_and_of_searches_one_that_has_a_threshold(run: object) -> None:
    looked = [
        (("gender",), family("fmr", [1, 2], threshold=0.4, margin=2.0)),
        (("town",), family("fmr", [1, 2], threshold=0.4, margin=2.0)),
        (("gender",), family("fmr", [1, 2], threshold=0.3, margin=2.0)),
    ]
    record = record_of(run, (("gender",), ("town",)))
    assert primary_rows(record, looked) == [True, False, False]  # type: ignore[arg-type]
    searched = [
        (("gender",), family("fnir", [1, 2], margin=2.0)),
        (("gender",), family("fnir", [1, 2], threshold=0.4, margin=2.0)),
        (("gender",), family("fnir", [1, 2], threshold=0.3, margin=2.0)),
    ]
    assert primary_rows(record, searched) == [False, True, False]  # type: ignore[arg-type]


def test_in_gaps_csv_only_primary_rows_have_a_verdict(run: object) -> None:
    gaps = run.gaps  # type: ignore[attr-defined]
    primary = gaps[gaps["primary"]]
    assert set(zip(primary["family"], primary["metric"], strict=True)) == {("gender", "error_rate_all")}
    assert set(primary["verdict"]) <= set(VERDICTS)
    assert set(gaps[~gaps["primary"]]["verdict"]) == {EXPLORATORY}
