"""Flips and drift solved by hand: of predictions, of listed comparisons, and for runs that cannot be compared."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import facegap as fg
from facegap.compare.build import compare, sentences
from facegap.compare.drift import MOST_PAIRS, distinct_pairs, drift_of, stranger_pairs
from facegap.compare.flips import may_share_scores, origin_of, with_lost
from facegap.compare.shared_people import together
from facegap.statistics.gaps import gap_family
from facegap.store.record import PlanRecord
from facegap.store.run import read_run
from facegap.types import VariantOf
from fixtures.settings import audit_predictions

PEOPLE = 25  # of each group
SHIFT = {"x": 0.0, "y": -0.2}  # of the other vendor's mated scores


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Scores of two vendors: mated 0.6 for all, in the second run 0.2 lower for group y; 50 non-mated pairs per group, of
    which the first run accepts two of group x and the second run two others of group x.
    """
    folder = tmp_path_factory.mktemp("scores")
    names = [f"{group}{k}" for group in SHIFT for k in range(PEOPLE)]
    rows = [{"image": f"{name}{n}.png", "subject": name, "group": name[0]} for name in names for n in "ab"]
    pd.DataFrame(rows).to_csv(folder / "people.csv", index=False)
    runs = []
    for vendor in (0, 1):
        scores = [(f"{name}a.png", f"{name}b.png", 0.6 + vendor * SHIFT[name[0]]) for name in names]
        for group in SHIFT:
            for k in range(50):
                left, right = f"{group}{k % PEOPLE}a.png", f"{group}{(k + 1 + k // PEOPLE) % PEOPLE}b.png"
                accepted = group == "x" and k in ((3, 4), (4, 9))[vendor]
                scores.append((left, right, 0.55 if accepted else 0.1 + 0.01 * vendor))
        path = folder / f"vendor{vendor}.csv"
        pd.DataFrame(scores, columns=["left", "right", "score"]).to_csv(path, index=False)
        out = folder / f"run{vendor}"
        fg.audit_scores(path, folder / "people.csv", by="group", out=out, verify=fg.Verify(threshold=[0.5]))
        runs.append(out)
    return runs


@pytest.fixture(scope="module")
def found(vendors: list[Path]) -> Any:
    return compare(vendors, names=["old", "new"])


def row(frame: pd.DataFrame, **cells: Any) -> Any:
    for name, value in cells.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1, frame
    return frame.iloc[0]


def test_flips_of_listed_comparisons_are_counted_in_both_directions(found: Any) -> None:
    groups = found.flips.groups
    y, x = (row(groups, kind="genuine", family="group", group=group) for group in "yx")
    assert (y["flips"], y["trials"], y["gained"], y["lost"], y["subjects"]) == (PEOPLE, PEOPLE, 0, PEOPLE, PEOPLE)
    assert (x["flips"], x["trials"]) == (0, PEOPLE)
    strangers = row(groups, kind="impostor", family="group", group="x")
    assert (strangers["flips"], strangers["trials"], strangers["gained"], strangers["lost"]) == (2, 50, 1, 1)
    assert row(groups, kind="impostor", family="", group="all")["trials"] == 100


def test_a_gap_in_flips_gets_a_verdict_and_a_sentence(found: Any) -> None:
    gap = row(found.flips.gaps, kind="genuine")
    assert (gap["rate_a"], gap["rate_b"], gap["primary"]) == (0.0, 1.0, True)
    assert gap["verdict"] in ("gap", "gap larger than the margin")
    said = " ".join(sentences(found))
    assert "25 of 50 mated comparisons (50%; 0 newly accepted, 25 newly rejected)" in said
    assert "mated comparisons: y 100%, x 0%" in said


def test_at_the_fixed_threshold_the_net_change_is_paired(found: Any) -> None:
    y = row(found.flips.fixed, metric="fnmr", family="group", group="y")
    assert (y["errors_a"], y["errors_b"], y["verdict"]) == (0, PEOPLE, "more errors")
    x = row(found.flips.fixed, metric="fmr", family="group", group="x")
    assert (x["errors_a"], x["errors_b"], x["verdict"]) == (2, 2, "no significant difference")


def test_drift_is_the_mean_of_the_differences_with_its_quantiles(found: Any) -> None:
    y = row(found.drift, kind="genuine", family="group", group="y")
    assert y[["mean", "quantile_05", "quantile_95"]].tolist() == pytest.approx([-0.2] * 3)
    strangers = row(found.drift, kind="impostor", family="group", group="y")
    assert (strangers["mean"], strangers["pairs"]) == (pytest.approx(0.01), 50)
    assert row(found.drift, kind="genuine", family="", group="all")["mean"] == pytest.approx(-0.1)
    gap = row(found.drift_gaps, kind="genuine")
    assert (abs(gap["difference"]), gap["margin"]) == (pytest.approx(0.2), pytest.approx(0))


def test_pairs_of_a_list_without_a_score_in_one_run_are_lost_by_it(vendors: list[Path], tmp_path: Path) -> None:
    folder = vendors[0].parent
    scores = pd.read_csv(folder / "vendor0.csv")
    assert scores["left"].iloc[0] == "x0a.png" and scores["right"].iloc[0] == "x0b.png"  # a mated pair
    scores.loc[[0, 60, 61], "score"] = np.nan  # and two non-mated pairs of x
    scores.to_csv(tmp_path / "scores.csv", index=False)
    settings = fg.Verify(threshold=[0.5])
    fg.audit_scores(tmp_path / "scores.csv", folder / "people.csv", by="group", out=tmp_path / "run", verify=settings)
    groups = compare([vendors[0], tmp_path / "run"], names=["old", "gaps"]).flips.groups
    assert groups["lost_by_first"].sum() == groups["flips"].sum() == 0
    x = {kind: row(groups, kind=kind, family="group", group="x") for kind in ("genuine", "impostor")}
    assert [(x[kind]["trials"], x[kind]["lost_by_other"]) for kind in x] == [(PEOPLE - 1, 1), (48, 2)]
    assert groups.query("group == 'y'")["lost_by_other"].sum() == 0


def test_a_run_compared_with_itself_has_no_flips_and_no_drift(vendors: list[Path]) -> None:
    same = compare([vendors[0], vendors[0]], names=["once", "again"])
    assert same.flips.groups["flips"].sum() == 0
    assert same.drift["mean"].abs().max() == 0


def test_flips_of_answers_by_hand(tmp_path: Path) -> None:
    people = pd.DataFrame(
        {
            "image": [f"{k}.png" for k in range(60)],
            "subject": [f"p{k}" for k in range(60)],
            "gender": ["female"] * 30 + ["male"] * 30,
        }
    )
    people.to_csv(tmp_path / "people.csv", index=False)
    runs = []
    for name, wrong in (("first", {0, 1, 40}), ("second", {1, *range(2, 12)})):
        said = [
            {"female": "male", "male": "female"}[gender] if k in wrong else gender
            for k, gender in enumerate(people["gender"])
        ]
        answers = people.assign(prediction=said)[["image", "prediction"]]
        answers.loc[59, "prediction"] = "" if name == "second" else "male"
        answers.to_csv(tmp_path / f"{name}.csv", index=False)
        runs.append(tmp_path / f"run-{name}")
        audit_predictions(tmp_path / f"{name}.csv", tmp_path / "people.csv", model=name, by="gender", out=runs[-1])
    groups = compare(runs).flips.groups
    women, men = (row(groups, kind="gender", family="gender", group=group) for group in ("female", "male"))
    assert (women["flips"], women["trials"], women["gained"], women["lost"]) == (11, 30, 1, 10)
    assert (men["flips"], men["trials"], men["gained"], men["lost"]) == (
        1,
        29,
        1,
        0,
    )  # the image without a prediction is not a trial
    assert (men["lost_by_first"], men["lost_by_other"], women["lost_by_first"], women["lost_by_other"]) == (0, 1, 0, 0)


def test_a_gap_is_not_within_the_margin_if_lost_trials_could_hide_one() -> None:
    gap = gap_family(
        ["a", "b"], [100, 100], [20_000] * 2, [20_000] * 2, [20_000.0] * 2, margin=0.02, scale="difference"
    ).rows()[0]
    assert gap.verdict == "no gap larger than the margin"
    assert with_lost(gap, {"a": 0.0, "b": 0.02}) == gap.verdict
    assert with_lost(gap, {"a": 0.0, "b": 0.021}) == "not enough data"
    ratio = replace(
        gap, scale="ratio", margin=2.0, rate_a=0.005, rate_b=0.005
    )  # the same number again would double the rate
    assert with_lost(ratio, {"a": 0.005, "b": 0.0}) == gap.verdict
    assert with_lost(ratio, {"a": 0.006, "b": 0.0}) == "not enough data"
    assert with_lost(replace(gap, verdict="gap"), {"a": 0.5, "b": 0.5}) == "gap"


def test_scores_of_another_model_are_not_compared_at_one_threshold(vendors: list[Path]) -> None:
    first = read_run(vendors[0])
    assert may_share_scores(first, read_run(vendors[1]))  # the models are unknown

    def made_of(name: str, sha256: str, **variants: VariantOf) -> Any:
        used = replace(first.record.execution, models={name: sha256}, variants=variants)
        return replace(first, record=replace(first.record, models={"embed": name}, execution=used))

    parent, other = made_of("a", "1" * 64), made_of("b", "2" * 64)
    variant = made_of("a_int8", "3" * 64, a_int8=VariantOf("int8", "a", "1" * 64))
    assert origin_of(variant) == "1" * 64
    assert may_share_scores(parent, variant)
    assert not may_share_scores(parent, other)


def test_non_mated_pairs_are_complete_or_a_bounded_sample_without_repeats_or_excluded_pairs() -> None:
    none = np.empty((0, 2), np.int64)
    subjects, rng = np.repeat(np.arange(5), 2), np.random.default_rng(0)
    rows = stranger_pairs(np.arange(10), subjects, none, rng)
    assert {tuple(sorted(pair)) for pair in rows.tolist()} == {
        pair for pair in combinations(range(10), 2) if subjects[pair[0]] != subjects[pair[1]]
    }
    assert len(rows) == 45 - 5
    reviewed = np.array([[7, 0], [2, 4], [0, 1]])
    assert len(stranger_pairs(np.arange(10), subjects, reviewed, rng)) == 45 - 5 - 2
    many = stranger_pairs(np.arange(500), np.arange(500), none, np.random.default_rng(0))  # of 124,750 pairs
    assert len(many) == MOST_PAIRS == len(np.unique(np.sort(many, axis=1), axis=0))
    assert (many[:, 0] != many[:, 1]).all()
    assert abs(many.mean() - 499 / 2) < 2


def test_indices_of_pairs_are_exact_for_very_many_pairs() -> None:
    count = 3_000_000
    left, right = distinct_pairs(count, 5_000, np.random.default_rng(1))
    assert (left >= 0).all() and (left < right).all() and right.max() < count


def test_gaps_in_drift_are_adjusted_for_all_runs_kinds_and_primary_groupings(vendors: list[Path]) -> None:
    old, new = vendors
    one = compare([old, new], names=["old", "new"]).drift_gaps
    two = compare([old, new, new], names=["old", "new", "newer"]).drift_gaps
    for gaps, tests in ((one, 1 * 2), (two, 2 * 2)):  # a pair of groups, mated and non-mated, in each other run
        assert len(gaps) == tests
        assert gaps["decided_level"].tolist() == pytest.approx([1 - 0.05 / tests] * tests)
        known = gaps[gaps["p"].notna()]
        assert known["p_adjusted"].tolist() == pytest.approx(np.minimum(known["p"] * tests, 1).tolist())
    runs = together([read_run(folder) for folder in vendors], ["old", "new"])
    plan = PlanRecord("plan.toml", "", "", (("group",), ("site",)), ("fmr", "fnmr"))
    record = runs.runs[0].record
    planned = replace(runs.runs[0], record=replace(record, request=replace(record.request, plan=plan)))
    _, gaps, _ = drift_of(replace(runs, runs=(planned, runs.runs[1])), min_subjects=2, level=0.95)
    assert gaps["decided_level"].tolist() == pytest.approx([1 - 0.05 / (2 * 2)] * 2)
