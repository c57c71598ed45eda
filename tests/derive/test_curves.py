"""Histograms and DET points by group from the stored comparisons, worked by hand and by brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facegap.audit import verify
from facegap.audit.recount import comparisons_differing, counted_again, stored_templates
from facegap.audit.settings import Verify
from facegap.derive.curves import MOST_BINS, MOST_POINTS, det_table, histogram_table
from facegap.derive.waterfall import steps_of
from facegap.report.figures.scores import score_figures
from facegap.report.score_tables import score_table
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
            assert np.abs(rows["pairs"].to_numpy() - inside).sum() <= 2  # float32 products near an edge


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


def test_beyond_some_templates_the_charts_show_a_sample_and_say_so_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    subjects = np.repeat(np.arange(150), 2)
    rows = rng.normal(size=(150, 6))[subjects] + 0.7 * rng.normal(size=(300, 6))
    np.save(tmp_path / "t.npy", rows.astype(np.float32))
    frame = pd.DataFrame({"image": [f"i{k}" for k in range(300)], "subject": subjects})
    frame.assign(town=np.where(subjects % 3, "Ayr", "Bonn")).to_csv(tmp_path / "m.csv", index=False)
    chosen = Verify(fmr=(), threshold=(0.9,), tail_limit=2_000)
    whole = audit_embeddings(tmp_path / "t.npy", tmp_path / "m.csv", verify=chosen, by="town")
    monkeypatch.setattr(verify, "MOST_COUNTED_WHOLE", 299)
    drawn = audit_embeddings(tmp_path / "t.npy", tmp_path / "m.csv", verify=chosen, by="town")
    for run, in_all in ((whole, True), (drawn, False)):
        compared = run.record.comparison
        assert compared is not None and compared.all_pairs is not None
        assert (compared.all_pairs.plot is None) == in_all
        assert compared.all_pairs.filter in ("float32", "fused") and compared.all_pairs.components is None
        assert run.record.timing.ns_per_pair is not None and run.record.timing.ns_per_pair > 0
        said = [figure.note for figure in score_figures(run)]
        assert said and all(("random sample" in text) != in_all for text in said)
        assert any("sampled pairs" in note for note in score_table(run).notes) != in_all
        assert comparisons_differing(run) == []
    assert len(histogram_table(drawn)["low"].unique()) > 20
    a, b = (run.extra["scores.csv"].set_index("town") for run in (whole, drawn))
    np.testing.assert_allclose(a["impostor_mean"], b["impostor_mean"], atol=0.02)
    for name in ("genuine_pairs", "impostor_pairs", "genuine_mean"):
        np.testing.assert_array_equal(a[name], b[name])
    assert drawn.matched is not None and drawn.matched.counts is not None
    templates = stored_templates(drawn)
    assert templates is not None
    again = counted_again(drawn.matched, drawn.matched.counts, templates, drawn.record.groupings)
    assert again.full_range is not None and drawn.matched.counts.full_range is not None
    np.testing.assert_array_equal(again.full_range.impostor, drawn.matched.counts.full_range.impostor)
