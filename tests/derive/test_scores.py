"""Means, numbers of pairs, equal error rates and pairs for review, worked by hand and by brute force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.audit.settings import Verify
from facegap.derive.scores import MOST_REVIEWED
from facegap.statistics.curves import equal_error_rate
from facegap.store.run import Run
from fixtures.settings import audit_embeddings


def cos(degrees: float) -> float:
    return float(np.cos(np.deg2rad(degrees)))


def row(run: Run, **groups: str) -> Any:
    frame = run.extra["scores.csv"]
    for name in ("gender", "glasses"):
        frame = frame[frame[name] == groups.get(name, "any")]
    assert len(frame) == 1
    return frame.iloc[0]


@pytest.mark.parametrize("listed", [False, True])
def test_means_of_six_people_are_those_worked_out_by_hand(six_run: Run, six_listed: Run, listed: bool) -> None:
    run = six_listed if listed else six_run
    everybody, women, nobody = row(run), row(run, gender="female"), row(run, gender="unknown")
    assert (everybody["genuine_pairs"], everybody["impostor_pairs"]) == (4, 41)
    assert everybody["genuine_mean"] == pytest.approx((cos(10) + cos(60) + cos(5) + cos(80)) / 4, abs=1e-6)
    assert women["impostor_mean"] == pytest.approx((cos(30) + cos(90) + cos(20) + cos(80)) / 4, abs=1e-6)
    assert (nobody["genuine_pairs"], nobody["impostor_pairs"]) == (1, 0)
    assert np.isnan([nobody["impostor_mean"], nobody["equal_error_rate"]]).all()


def test_the_equal_error_rate_is_that_of_the_groups_own_scores(six_run: Run) -> None:
    found = row(six_run, gender="female")
    by_hand = equal_error_rate([cos(10), cos(60)], [cos(30), cos(90), cos(20), cos(80)])
    assert found["equal_error_rate"] == by_hand.value
    assert found["equal_error_threshold"] == pytest.approx(by_hand.threshold, abs=1e-6)


def scattered(folder: Path, people: int = 80) -> tuple[Any, Any, Any]:
    """Templates of two images of each person in a folder; unit rows, subjects and gender."""
    rng = np.random.default_rng(7)
    subjects = np.repeat(np.arange(people), 2)
    rows = rng.normal(size=(people, 8))[subjects] + 0.8 * rng.normal(size=(2 * people, 8))
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.save(folder / "t.npy", rows)
    gender = np.where(subjects % 2, "female", "male")
    frame = pd.DataFrame({"image": [f"{k:03d}" for k in range(2 * people)], "subject": subjects, "gender": gender})
    frame.to_csv(folder / "m.csv", index=False)
    return rows, subjects, gender


def test_a_short_list_leaves_numbers_exact_and_means_to_half_a_bin(tmp_path: Path) -> None:
    rows, subjects, gender = scattered(tmp_path)
    chosen = Verify(fmr=(), threshold=(0.9,), tail_limit=500)
    run = audit_embeddings(tmp_path / "t.npy", tmp_path / "m.csv", by="gender", verify=chosen)
    scores = rows @ rows.T
    left, right = np.triu_indices(len(rows), 1)
    impostor = subjects[left] != subjects[right]
    frame = run.extra["scores.csv"].set_index("gender")
    for name, inside in (("any", np.ones(len(rows), bool)), ("female", gender == "female"), ("male", gender == "male")):
        kept = impostor & inside[left] & inside[right]
        assert frame.loc[name, "impostor_pairs"] == kept.sum() > 500
        assert frame.loc[name, "impostor_mean"] == pytest.approx(scores[left[kept], right[kept]].mean(), abs=0.0025)
        assert frame.loc[name, "genuine_pairs"] == inside.sum() / 2
    assert frame["equal_error_rate"].isna().all()


def test_the_review_list_has_the_highest_impostors_and_the_lowest_mates_by_name(tmp_path: Path) -> None:
    rows, subjects, _ = scattered(tmp_path)
    run = audit_embeddings(tmp_path / "t.npy", tmp_path / "m.csv", verify=Verify(fmr=(), threshold=(0.9,)))
    review = run.extra["review_pairs.csv"]
    scores = rows @ rows.T
    left, right = np.triu_indices(len(rows), 1)
    same = subjects[left] == subjects[right]
    for kind, kept, sign in (("impostor", ~same, -1), ("genuine", same, 1)):
        found = review[review["kind"] == kind]
        order = np.argsort(sign * scores[left[kept], right[kept]], kind="stable")[:MOST_REVIEWED]
        names = [(f"{a:03d}", f"{b:03d}") for a, b in zip(left[kept][order], right[kept][order], strict=True)]
        assert list(zip(found["left"], found["right"], strict=True)) == names
        np.testing.assert_allclose(found["score"], scores[left[kept], right[kept]][order], atol=1e-6)


def test_a_list_of_pairs_has_its_review_too_and_lost_ones_are_not_in_it(six_listed: Run) -> None:
    review = six_listed.extra["review_pairs.csv"]
    assert review["score"].notna().all()
    assert not (review[["left", "right"]] == "eli2").any(axis=None)
    assert (review["kind"] == "genuine").sum() == 4
    assert (review["kind"] == "impostor").sum() == 41
    assert review.loc[review["kind"] == "impostor", "score"].is_monotonic_decreasing
    lowest = review[review["kind"] == "genuine"].iloc[0]
    assert {lowest["left"], lowest["right"]} == {"dan1", "dan2"}
