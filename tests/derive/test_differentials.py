"""Published measures over groups with enough subjects for each rate, with their null distributions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.audit.settings import Verify
from facegap.derive.differentials import counts_of, permutable_counts, remembered
from facegap.derive.run import comparisons_of, operating_of
from facegap.derive.verification import group_rates
from facegap.store.run import Run
from fixtures.settings import audit_embeddings


def measure(run: Run, name: str, metrics: str) -> Any:
    frame = run.extra["differentials.csv"]
    frame = frame[(frame["measure"] == name) & (frame["metrics"] == metrics)]
    assert len(frame) == 1
    return frame.iloc[0]


def circles(folder: Path, degrees: dict[str, list[float]], **columns: list[str]) -> None:
    """Templates at angles by person, and their manifest."""
    angles = np.deg2rad([angle for person in degrees.values() for angle in person])
    np.save(folder / "t.npy", np.stack([np.cos(angles), np.sin(angles)], axis=1))
    subjects = [name for name, person in degrees.items() for _ in person]
    frame = pd.DataFrame({"image": [f"i{k}" for k in range(len(subjects))], "subject": subjects})
    for name, values in columns.items():
        frame[name] = [value for value, person in zip(values, degrees.values(), strict=True) for _ in person]
    frame.to_csv(folder / "m.csv", index=False)


def run_at(folder: Path, degrees: float, least: int = 2, **chosen: Any) -> Run:
    settings = Verify(fmr=(), threshold=(float(np.cos(np.deg2rad(degrees))),), **chosen)
    return audit_embeddings(
        folder / "t.npy", folder / "m.csv", by="gender", verify=settings, groups={"min_subjects": least}
    )


# Women: two pairs of six within 25 degrees, one of three rejected. Men: one pair of six, two of three rejected.
WOMEN = {"ada": [0.0, 10.0], "bea": [20.0, 120.0], "cyd": [240.0, 250.0]}
MEN = {"dan": [60.0, 170.0], "eli": [180.0, 330.0], "fox": [280.0, 290.0]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("circles")
    circles(folder, WOMEN | MEN, gender=["f"] * 3 + ["m"] * 3)
    return run_at(folder, 25.5)


def test_measures_are_worked_out_from_the_counts_by_hand(run: Run) -> None:
    # FMR: ada1-bea1, ada2-bea1 of 12; dan2-eli1 of 12. FNMR: bea of 3; dan and eli of 3.
    assert measure(run, "max_min_difference", "fmr")["value"] == pytest.approx(1 / 12)
    assert measure(run, "max_min_ratio", "fmr")["value"] == pytest.approx(2)
    assert measure(run, "max_min_difference", "fnmr")["value"] == pytest.approx(1 / 3)
    assert measure(run, "gini", "fnmr")["value"] == pytest.approx(2 * (2 / 3) / (2 * 4 * 0.5))
    assert measure(run, "fairness_discrepancy_rate", "fmr+fnmr")["value"] == pytest.approx(1 - (1 / 12 + 1 / 3) / 2)
    assert measure(run, "inequity_rate", "fmr+fnmr")["value"] == pytest.approx(2)


def test_every_measure_says_its_threshold_and_what_is_fair(run: Run) -> None:
    frame = run.extra["differentials.csv"]
    assert set(frame["threshold_from"]) == {"given"}
    assert set(frame["groups"]) == {2}
    assert dict(zip(frame["measure"], frame["fair_value"], strict=True))["fairness_discrepancy_rate"] == 1


def test_chance_is_dealt_over_people_and_the_same_every_time(run: Run) -> None:
    found = measure(run, "max_min_difference", "fnmr")
    # Three of six people are rejected: under permutation the difference is 1/3 or, with probability 1/10, 1.
    assert found["chance_median"] == pytest.approx(1 / 3)
    assert found["p"] == 1
    assert 0 < measure(run, "max_min_difference", "fmr")["p"] <= 1


def test_a_rate_is_compared_among_the_groups_that_have_enough_people_behind_it(tmp_path: Path) -> None:
    circles(tmp_path, {**WOMEN, "dan": [60.0], "eli": [180.0], "fox": [280.0]}, gender=["f"] * 3 + ["m"] * 3)
    frame = run_at(tmp_path, 25.5).extra["differentials.csv"]
    assert set(frame["metrics"]) == {"fmr"}  # no man has a mate
    assert "differentials.csv" not in run_at(tmp_path, 25.5, least=4).extra


def test_a_ratio_to_nothing_is_undefined_and_says_why(tmp_path: Path) -> None:
    circles(tmp_path, {**WOMEN, "dan": [60.0, 65.0], "eli": [180.0, 185.0]}, gender=["f"] * 3 + ["m"] * 2)
    found = measure(run_at(tmp_path, 25.5), "max_min_ratio", "fmr")
    assert np.isnan([found["value"], found["p"], found["chance_median"]]).all()
    assert "no errors" in found["undefined_because"]


@pytest.mark.parametrize("lost", [False, True])
def test_labels_dealt_as_they_are_give_the_observed_counts_without_reviewed_pairs(tmp_path: Path, lost: bool) -> None:
    circles(tmp_path, WOMEN | MEN, gender=["f"] * 3 + ["m"] * 3)
    if lost:
        rows = np.load(tmp_path / "t.npy")
        rows[[5, 7]] = 0
        np.save(tmp_path / "t.npy", rows)
    # bea1 with ada1, ada1 with cyd2, two men, a woman with a man, and two images of cyd
    (tmp_path / "reviewed.csv").write_text("left,right\ni2,i0\ni0,i5\ni6,i9\ni1,i8\ni4,i5\n")
    run = run_at(tmp_path, 25.5, exclude_pairs=str(tmp_path / "reviewed.csv"))
    pairs = comparisons_of(run)
    assert pairs is not None
    (entry,) = group_rates(pairs, run.manifest, [("gender",)], operating_of(run), 0.95)
    dealt = permutable_counts(entry, pairs, [0, 1])
    assert dealt is not None
    labels, functions = dealt
    for metric in ("fmr", "fnmr"):
        np.testing.assert_array_equal(functions[metric](labels), counts_of(entry, metric, [0, 1]))
    assert measure(run, "max_min_difference", "fmr")["value"] == pytest.approx(
        abs(np.subtract(*np.divide(*counts_of(entry, "fmr", [0, 1]))))
    )


def test_people_in_two_groups_and_lists_of_pairs_have_no_chance_beside_them(six_run: Run, six_listed: Run) -> None:
    frame = six_run.extra["differentials.csv"]
    glasses = frame[frame["family"] == "glasses"]
    assert len(glasses)
    assert glasses[["p", "chance_median", "chance_extreme"]].isna().all(axis=None)
    assert six_listed.extra["differentials.csv"]["p"].isna().all()


def test_a_deal_is_counted_once() -> None:
    asked = []

    def counts(labels: Any) -> Any:
        asked.append(labels)
        return labels.sum(), len(labels)

    recalled = remembered(counts)
    labels = np.array([0, 1, 1])
    assert recalled(labels) == recalled(labels.copy()) == (2, 3)
    assert recalled(np.array([1, 1, 1])) == (3, 3)
    assert len(asked) == 2
