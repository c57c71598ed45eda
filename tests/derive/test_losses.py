"""Losses in runs: images without a prediction, pairs and searches with a lost image, but not images not shown to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.audit.settings import Verify
from facegap.report.groups import gap_table
from fixtures.settings import audit_embeddings, audit_predictions


def gap(run: Any, metric: str) -> pd.Series:
    rows = run.gaps[run.gaps["metric"] == metric]
    return rows.iloc[0]


def answers(folder: Path, silent: tuple[int, int]) -> Any:
    """40 women, 8 of them misclassified, and 40 men, 4 of them misclassified; the last `silent` of each have no prediction."""
    gender = np.repeat(["female", "male"], 40)
    frame = pd.DataFrame({"image": [f"i{k}" for k in range(80)], "subject": range(80), "gender": gender})
    other = np.where(gender == "female", "male", "female")
    place = np.arange(80) % 40
    said = np.where(place < np.where(gender == "female", 8, 4), other, gender)
    said = np.where(place >= 40 - np.where(gender == "female", silent[0], silent[1]), "", said)
    frame.to_csv(folder / "m.csv", index=False)
    pd.DataFrame({"image": frame["image"], "prediction": said}).to_csv(folder / "a.csv", index=False)
    return audit_predictions(folder / "a.csv", folder / "m.csv", by="gender")


def test_images_without_an_answer_bound_the_error_rates(tmp_path: Path) -> None:
    run = answers(tmp_path, (0, 10))
    answered, every = gap(run, "error_rate_answered"), gap(run, "error_rate_all")
    for row in (answered, every):  # the same result, however the images without a prediction are counted
        assert (row["lost_a"], row["lost_b"]) == (0, 10)
        assert row["loss_difference_low"] == pytest.approx(8 / 40 - 14 / 40)
        assert row["loss_difference_high"] == pytest.approx(8 / 40 - 4 / 40)
    silent = gap(run, "no_answer_rate")
    assert silent["loss_difference_low"] == silent["loss_difference_high"] == silent["difference"]
    table = gap_table(run)
    column = table.columns.index("best and worst case over lost trials")
    # Of all images men are worse (14 of 40), and the verdict is that of the primary family; the other gap is exploratory.
    assert [row[column] for row in table.rows] == [
        "nothing lost",
        "-15.00 to 10.00 points",
        "-10.00 to 15.00 points; the verdict would not change",
    ]
    assert any(note.startswith("Best and worst case:") for note in table.notes)


def test_where_all_images_are_answered_no_column_of_cases_is_printed(tmp_path: Path) -> None:
    run = answers(tmp_path, (0, 0))
    assert (run.gaps["loss_difference_low"] == run.gaps["difference"]).all()
    assert run.gaps["loss_stands"].all()
    assert "best and worst case over lost trials" not in gap_table(run).columns


def test_pairs_with_a_lost_image_bound_false_matches_and_false_non_matches(tmp_path: Path) -> None:
    """Six people of two images a group; one woman's second template is lost: one genuine pair, ten impostor pairs."""
    rng = np.random.default_rng(1)
    subjects = np.repeat(np.arange(12), 2)
    rows = rng.normal(size=(12, 8))[subjects] + 0.3 * rng.normal(size=(24, 8))
    rows[1] = 0.0
    np.save(tmp_path / "t.npy", rows)
    frame = pd.DataFrame({"image": [f"i{k}" for k in range(24)], "subject": subjects})
    frame["gender"] = np.repeat(["female", "male"], 12)
    frame.to_csv(tmp_path / "m.csv", index=False)
    run = audit_embeddings(
        tmp_path / "t.npy",
        tmp_path / "m.csv",
        by="gender",
        verify=Verify(threshold=(0.5,)),
        groups={"min_subjects": 2},
    )
    fnmr, gfrr, fmr = gap(run, "fnmr"), gap(run, "gfrr"), gap(run, "fmr")
    assert (fnmr["trials_a"], fnmr["lost_a"], fnmr["lost_b"]) == (5, 1, 0)
    women, men = fnmr["errors_a"], fnmr["errors_b"] / 6
    assert fnmr["loss_difference_low"] == pytest.approx(women / 6 - men)
    assert fnmr["loss_difference_high"] == pytest.approx((women + 1) / 6 - men)
    assert gfrr["loss_difference_high"] == pytest.approx(gfrr["difference"])  # a lost pair counts as rejected
    assert (fmr["trials_a"], fmr["lost_a"]) == (50, 10)
    assert fmr["loss_difference_high"] == pytest.approx((fmr["errors_a"] + 10) / 60 - fmr["errors_b"] / 60)
