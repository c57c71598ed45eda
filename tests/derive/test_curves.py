"""Histograms and DET points by group from the stored comparisons, by hand and against brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facegap.audit.settings import Verify
from facegap.derive.curves import MOST_BINS, MOST_POINTS, det_table, histogram_table
from facegap.derive.waterfall import steps_of
from facegap.store.run import Run
from facegap.types import Group
from fixtures.settings import audit_embeddings

PEOPLE = 20  # per town


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, np.ndarray, np.ndarray, np.ndarray]:
    """A run over two towns at a given threshold, with its templates (unit length), subjects and towns."""
    folder = tmp_path_factory.mktemp("curves")
    rng = np.random.default_rng(1)
    subjects = np.repeat(np.arange(2 * PEOPLE), 2)
    rows = rng.normal(size=(2 * PEOPLE, 6))[subjects] + 0.6 * rng.normal(size=(len(subjects), 6))
    towns = np.where(subjects < PEOPLE, "Ayr", "Bonn")
    np.save(folder / "t.npy", rows)
    frame = pd.DataFrame({"image": [f"i{k}" for k in range(len(rows))], "subject": subjects, "town": towns})
    frame.to_csv(folder / "m.csv", index=False)
    run = audit_embeddings(folder / "t.npy", folder / "m.csv", verify=Verify(fmr=(), threshold=(0.5,)), by="town")
    return run, rows / np.linalg.norm(rows, axis=1, keepdims=True), subjects, towns


def pairs_of(made: tuple[Run, np.ndarray, np.ndarray, np.ndarray], town: str) -> tuple[np.ndarray, np.ndarray]:
    """Genuine and impostor scores within a town, by brute force."""
    _, rows, subjects, towns = made
    inside = towns == town
    left, right = np.triu_indices(int(inside.sum()), 1)
    scores = (rows[inside] @ rows[inside].T)[left, right]
    same = subjects[inside][left] == subjects[inside][right]
    return scores[same], scores[~same]


def test_a_histogram_holds_every_pair_of_its_group_once(made: tuple[Run, np.ndarray, np.ndarray, np.ndarray]) -> None:
    table = histogram_table(made[0])
    assert len(table["low"].unique()) <= MOST_BINS
    for town in ("Ayr", "Bonn"):
        group = Group((("town", town),))
        for kind, scores in zip(("genuine", "impostor"), pairs_of(made, town), strict=True):
            rows = table[(table["group"] == group) & (table["kind"] == kind)]
            assert rows["pairs"].sum() == len(scores) == rows["all_pairs"].iloc[0]
            inside = [
                (scores >= low).sum() - (scores >= high).sum()
                for low, high in zip(rows["low"], rows["high"], strict=True)
            ]
            assert np.abs(rows["pairs"].to_numpy() - inside).sum() <= 2  # float32 products beside an edge


def test_det_points_are_the_errors_at_observed_scores(made: tuple[Run, np.ndarray, np.ndarray, np.ndarray]) -> None:
    table = det_table(made[0])
    genuine, impostor = pairs_of(made, "Ayr")
    rows = table[table["group"] == Group((("town", "Ayr"),))]
    assert 10 < len(rows) <= MOST_POINTS
    assert rows["threshold"].is_monotonic_increasing
    for _, row in rows.iterrows():
        assert (row["impostor_pairs"], row["genuine_pairs"]) == (len(impostor), len(genuine))
        assert abs(row["false_matches"] - (impostor >= row["threshold"]).sum()) <= 1
        assert abs(row["false_non_matches"] - (genuine < row["threshold"]).sum()) <= 1
        assert row["fmr"] == row["false_matches"] / len(impostor)


def test_a_run_without_comparisons_or_without_genuine_pairs_has_no_curves(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.random.default_rng(0).normal(size=(12, 4)))
    pd.DataFrame({"image": [f"i{k}" for k in range(12)]}).to_csv(tmp_path / "m.csv", index=False)
    run = audit_embeddings(tmp_path / "t.npy", tmp_path / "m.csv", verify=Verify(fmr=(), threshold=(0.5,)))
    assert list(det_table(run).columns)[:3] == ["grouping", "group", "threshold"]
    assert len(det_table(run)) == 0
    assert set(histogram_table(run)["kind"]) == {"impostor"}


def test_steps_begin_where_the_one_before_ended_and_what_is_set_aside_is_not_lost() -> None:
    row = {
        "images": 100,
        "decoded": 99,
        "detected": 95,
        "enrolled": 90,
        "labelled": 98,
        "answered": 88,
        "right": 80,
        "set_aside": 40,
        "compared": 50,
        "with_mate": 20,
        "matched": 18,
    }
    steps = {step.stage: step for step in steps_of(row)}
    assert [(step.began, step.reached) for step in steps.values()] == [
        (100, 99),
        (99, 95),
        (95, 90),
        (99, 98),
        (98, 88),
        (88, 80),
        (90, 50),
        (50, 50),
        (50, 20),
        (20, 18),
    ]
    assert steps["judged"].kind == steps["with_mate"].kind == "limit"
    assert steps["matched"].kind == steps["answered"].kind == "failure"


def test_steps_of_a_black_box_begin_at_all_images() -> None:
    assert [
        (step.stage, step.began) for step in steps_of({"images": 10, "labelled": 9, "answered": 8, "right": 7})
    ] == [
        ("labelled", 10),
        ("answered", 9),
        ("right", 8),
    ]
    assert [(step.stage, step.began) for step in steps_of({"images": 10, "set_aside": 4, "compared": 6})] == [
        ("judged", 10),
        ("compared", 6),
    ]
