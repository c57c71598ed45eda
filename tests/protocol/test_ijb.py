"""An IJB-C of illustrated people, 5 to 30 frames in each template, from its lists to rates by group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_curve

from facegap.audit.run import audit, recheck
from facegap.audit.settings import settings_from
from facegap.demo.run import card
from facegap.protocol.run import run_protocol
from facegap.report.reproduce import command_of
from facegap.store.run import Run
from fixtures.protocol_trees import drawn, ijbc_tree

PEOPLE = 12
CHOSEN = {"workers": 1, "no_isolation": True, "min_subjects": 5}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ijb")
    table = drawn(folder / "drawn", people=PEOPLE)
    looked = audit(
        folder / "drawn" / "people.csv", settings_from({**CHOSEN, "detect": card("detector"), "detect_only": True})
    )
    ijbc_tree(folder / "drawn", table, folder / "IJBC", looked.faces)
    return folder / "IJBC"


@pytest.fixture(scope="module")
def made(tree: Path) -> Run:
    settings = settings_from(
        {**CHOSEN, "embed": card("embedder_balanced"), "fmr": (0.1,), "by": "gender", "folder": tree / "run"}
    )
    return run_protocol(
        "ijbc",
        tree,
        settings,
        far=[0.1, 0.03],
        like="insightface",
        labels=tree / "meta" / "ijbc_metadata.csv",
        allow_incomplete=True,
    )


def by_hand(made: Run, tree: Path) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of the listed pairs, from only the lists and the stored templates."""
    assert made.embeddings is not None
    tids = pd.read_csv(tree / "meta/ijbc_face_tid_mid.txt", sep=" ", header=None)[1].drop_duplicates().tolist()
    row_of = dict(zip(tids, made.faces["embedding_row"], strict=True))
    pairs = pd.read_csv(tree / "meta/ijbc_template_pair_label.txt", sep=" ", header=None)
    sides = [np.asarray(made.embeddings, np.float64)[pairs[k].map(row_of)] for k in (0, 1)]
    return pairs[2].to_numpy(), (sides[0] * sides[1]).sum(axis=1)


def test_templates_are_what_is_compared(made: Run, tree: Path) -> None:
    frames = pd.read_csv(tree / "meta/ijbc_face_tid_mid.txt", sep=" ", header=None)
    assert frames[1].value_counts().between(5, 30).all()
    assert len(made.manifest) == 2 * PEOPLE
    assert (made.faces["outcome"] == "ok").all()
    assert any(said.startswith(f"templates: {2 * PEOPLE} templates are pooled from") for said in made.record.warnings)


def test_faces_are_where_the_points_of_the_protocol_say(made: Run, tree: Path) -> None:
    assert made.record.models["detect"] == "points"
    stated = pd.read_csv(tree / "meta/ijbc_name_5pts_score.txt", sep=" ", header=None)
    found = made.faces[["left_eye_x", "left_eye_y", "nose_x"]].to_numpy()[0]
    assert (np.abs(stated[[1, 2, 5]].to_numpy() - found).sum(axis=1) < 0.01).any()


def test_tar_is_that_of_roc_curve_over_the_stored_templates(made: Run, tree: Path) -> None:
    labels, scores = by_hand(made, tree)
    fpr, tpr, _ = roc_curve(labels, scores)
    fpr, tpr = np.flipud(fpr), np.flipud(tpr)
    table = made.extra["protocol.csv"]
    assert set(table["number"]) == {"tar"}  # IJB has no folds, and so no accuracy by folds
    for row in table[table["rule"] == "insightface"].to_dict("records"):
        _, at = min(zip(abs(fpr - row["far_target"]), range(len(fpr)), strict=True))
        assert f"{100 * row['value']:.2f}" == f"{100 * tpr[at]:.2f}"
    for row in table[table["rule"] == "strict"].to_dict("records"):
        others = np.sort(scores[labels == 0])[::-1]
        threshold = others[int(row["far_target"] * len(others)) - 1]
        assert row["value"] == (scores[labels == 1] >= threshold - 1e-9).mean()


def test_rates_by_group_are_at_thresholds_of_folds_dealt_by_subject(made: Run, tree: Path) -> None:
    (point,) = made.record.operating
    assert point.by_folds is not None
    assert "seed 0" in point.source
    fmr = made.rates[(made.rates["metric"] == "fmr") & made.rates["gender"].isin(["female", "male"])]
    assert set(fmr["gender"]) == {"female", "male"}
    assert made.rates["subjects"].max() <= PEOPLE
    assert recheck(tree / "run") == []


def test_a_gallery_is_searched_and_rank_and_tpir_are_those_of_the_stored_templates(tree: Path, tmp_path: Path) -> None:
    settings = settings_from({**CHOSEN, "embed": card("embedder_balanced"), "fmr": (0.1,), "folder": tmp_path / "run"})
    found = run_protocol("ijbc", tree, settings, gallery="1", fpir=[0.5], allow_incomplete=True)
    table = found.extra["protocol.csv"]
    assert table["number"].tolist() == ["identified"] * 3 + ["tpir"]
    assert found.embeddings is not None
    roles, subjects = found.manifest["role"].to_numpy(), found.manifest["subject"].to_numpy()
    vectors = np.asarray(found.embeddings, np.float64)[found.faces["embedding_row"]]
    scores = vectors[roles == "probe"] @ vectors[roles == "gallery"].T
    mates = subjects[roles == "probe"][:, None] == subjects[roles == "gallery"]
    mated = mates.any(axis=1)
    assert 0 < mated.sum() < len(mated)
    of_mate = np.where(mates, scores, -1).max(axis=1)
    place = 1 + (np.where(mates, -1, scores) > of_mate[:, None]).sum(axis=1)
    for row, rank in zip(table.to_dict("records"), (1, 5, 10), strict=False):
        assert (row["hits"], row["trials"]) == (int((place[mated] <= rank).sum()), int(mated.sum()))
    tops = np.sort(scores[~mated].max(axis=1))[::-1]
    threshold = tops[int(0.5 * len(tops)) - 1]
    tpir = table.iloc[3]
    assert tpir["hits"] == int(((of_mate >= threshold - 1e-9) & (place <= 10))[mated].sum())
    assert tpir["false_accepts"] == int(0.5 * len(tops))
    words = command_of(found.record).split()
    assert words[:7] == ["facegap", "protocol", "ijbc", "--root", "FOLDER", "--gallery", "1"]
    assert not {"--identify", "--rank", "--role-column", "--points"}.intersection(words)
    assert "IN-SAMPLE" in found.record.identification.operating[0].source
    assert recheck(tmp_path / "run") == []
