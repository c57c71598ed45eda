"""`facegap protocol` end to end on illustrated people, with the models of the demo."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold

from facegap.audit.run import recheck
from facegap.audit.settings import AuditSettings, settings_from
from facegap.demo.run import card
from facegap.errors import SettingError, TableError
from facegap.inputs.cards.read import read_card
from facegap.privacy.forget import forget
from facegap.protocol.run import run_protocol
from facegap.report.page import add_report
from facegap.report.reproduce import command_of
from facegap.report.terminal import print_run
from facegap.store.run import Run, read_run
from fixtures.protocol_trees import FOLDS, bin_file, drawn, lfw_tree, rfw_tree

CHOSEN = {
    "detect": card("detector"),
    "embed": card("embedder_balanced"),
    "workers": 1,
    "fmr": (0.05,),
    "no_isolation": True,
}


def settings(out: Path, **more: Any) -> AuditSettings:
    return settings_from({**CHOSEN, "min_subjects": 5, "folder": out, **more})


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a made LFW below `LFW`, and made.bin of the same pairs."""
    folder = tmp_path_factory.mktemp("protocols")
    table = drawn(folder / "drawn")
    bin_file(folder / "LFW", lfw_tree(folder / "drawn", table, folder / "LFW"), folder / "made.bin")
    return folder


@pytest.fixture(scope="module")
def made(tree: Path) -> Run:
    """The run of the made LFW, in the folder `run`."""
    return run_protocol(
        "lfw",
        tree / "LFW",
        settings(tree / "run", by="gender"),
        far=[0.1, 0.01],
        like="insightface",
        labels=tree / "LFW" / "labels.csv",
        allow_incomplete=True,
    )


def numbers(run: Run, number: str, rule: str) -> pd.DataFrame:
    table = run.extra["protocol.csv"]
    return table[(table["number"] == number) & (table["rule"] == rule)]


def test_accuracy_is_that_of_distances_of_the_stored_templates_by_kfold(made: Run) -> None:
    """From only embeddings.npy and the list of pairs, as in InsightFace's evaluation, without scores of facegap."""
    assert made.matched is not None
    assert made.matched.pairs is not None
    rows = made.faces["embedding_row"].to_numpy()
    vectors = np.asarray(made.embeddings, np.float64)
    left, right = (vectors[rows[made.matched.pairs[side]]] for side in ("left", "right"))
    distances = np.square(left - right).sum(axis=1)
    subjects = made.manifest["subject"].to_numpy()
    same = subjects[made.matched.pairs["left"]] == subjects[made.matched.pairs["right"]]
    accuracies = []
    for train, test in KFold(FOLDS, shuffle=False).split(distances):
        right_at = [((distances[train] < limit) == same[train]).mean() for limit in np.arange(0, 4, 0.01)]
        best = np.arange(0, 4, 0.01)[int(np.argmax(right_at))]
        accuracies.append(((distances[test] < best) == same[test]).mean())
    found = numbers(made, "accuracy", "insightface").iloc[0]
    assert f"{found['value']:.5f}+-{found['spread']:.5f}" == f"{np.mean(accuracies):.5f}+-{np.std(accuracies):.5f}"


def test_thresholds_are_set_on_the_protocols_own_folds(made: Run) -> None:
    (point,) = made.record.operating
    assert point.by_folds is not None
    assert point.by_folds.folds == FOLDS
    assert "column fold" in point.source
    assert made.matched is not None
    assert made.matched.folds is not None
    by_subject = pd.Series(made.matched.folds).groupby(made.manifest["subject"].to_numpy()).nunique()
    assert (by_subject == 1).all()
    assert "fold" not in made.rates.columns  # no group is split by it


def test_groups_get_rates_and_verdicts_beside_the_protocols_numbers(made: Run) -> None:
    rates = made.rates
    for metric in ("fmr", "fnmr"):
        of = rates[(rates["metric"] == metric) & rates["gender"].isin(["female", "male"])]
        assert {"female", "male"} <= set(of["gender"])
        assert (of["trials"] > 0).sum() >= 2
        measured = of[of["trials"] > 0]
        assert ((measured["low"] <= measured["value"]) & (measured["value"] <= measured["high"])).all()
    assert set(made.gaps["metric"]) >= {"fmr", "fnmr"}


def test_the_record_says_what_was_run_and_that_it_was_not_whole(made: Run, tree: Path) -> None:
    told = json.loads((tree / "run" / "run.json").read_text())["request"]["protocol"]
    assert (told["name"], told["title"], told["whole"], told["like"], told["far"]) == (
        "lfw", "LFW", False, "insightface", [0.01, 0.1],
    )  # fmt: skip
    assert {count["what"]: (count["found"], count["expected"]) for count in told["counts"]}["pairs"] == (80, 6000)
    assert set(told["files"]) == {"pairs.txt", "labels.csv"}
    assert made.record.warnings[0].startswith("not the whole protocol (4 genuine pairs per fold, the protocol has 300")
    assert command_of(made.record).startswith(
        f"facegap protocol lfw --root FOLDER --detect {Path(card('detector')).name} --embed"
    )


def test_the_run_is_derived_again_to_the_same_tables(made: Run, tree: Path) -> None:
    assert recheck(tree / "run") == []


def test_a_bin_of_the_same_pairs_gives_the_same_numbers(made: Run, tree: Path, tmp_path: Path) -> None:
    found = run_protocol("bin", tree / "made.bin", settings(tmp_path / "run"), far=[0.1, 0.01], like="insightface")
    ours, theirs = (run.extra["protocol.csv"].drop(columns="not_compared") for run in (found, made))
    pd.testing.assert_frame_equal(ours, theirs)
    assert found.record.protocol is not None
    assert found.record.protocol.whole
    assert any("a .bin file names no subjects" in said for said in found.record.warnings)
    assert recheck(tmp_path / "run") == []


def test_a_bin_is_of_aligned_crops_unless_a_detector_is_named(tree: Path, tmp_path: Path) -> None:
    without = {name: value for name, value in CHOSEN.items() if name != "detect"}
    with pytest.raises(TableError, match="--detect aligned uses the whole image as the crop"):
        run_protocol("bin", tree / "made.bin", settings_from({**without, "folder": tmp_path / "refused"}))
    images, same = pickle.loads((tree / "made.bin").read_bytes())
    side = read_card(Path(card("embedder_balanced"))).input.size
    crops = [
        cv2.resize(cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR), tuple(side)) for image in images
    ]
    content = [cv2.imencode(".png", crop)[1].tobytes() for crop in crops]
    (tmp_path / "crops.bin").write_bytes(pickle.dumps((content, same)))
    found = run_protocol(
        "bin", tmp_path / "crops.bin", settings_from({**without, "folder": tmp_path / "run"}), far=[0.1]
    )
    assert found.record.models["detect"] == "aligned"
    assert (found.faces["outcome"] == "ok").all()


def test_a_screen_and_a_report_show_the_numbers_beside_the_rates_by_group(
    made: Run, tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facegap.report.figures.figures_of", no_figures)
    print_run(made, tree / "run", view=None, include_ids=False)
    shown = capsys.readouterr().out
    assert shown.startswith("LFW: results of the protocol")
    value = numbers(made, "accuracy", "facex-zoo")["value"].iloc[0]
    assert f"{100 * value:.2f}%" in shown
    assert "the same pairs at a threshold set on other people" in shown
    add_report(tree / "run", made, include_ids=False)
    page = (tree / "run" / "report.html").read_text()
    assert "Results of the benchmark protocol" in page
    assert "accuracy, FaceX-Zoo rule" in page


def no_figures(run: Run) -> dict[str, list[Any]]:
    from facegap.report.figures import FIGURES

    return {part: [] for part in FIGURES}


def test_a_person_who_is_forgotten_leaves_the_list_too(tree: Path, tmp_path: Path) -> None:
    run_protocol("lfw", tree / "LFW", settings(tmp_path / "run"), allow_incomplete=True)
    subject = str(read_run(tmp_path / "run").manifest["subject"].iloc[0])
    forget(tmp_path / "run", subject)
    left = read_run(tmp_path / "run")
    assert left.matched is not None
    assert left.matched.protocol is not None
    assert left.matched.pairs is not None
    assert len(left.matched.protocol) == len(left.matched.pairs) == 80 - 3
    assert numbers(left, "accuracy", "insightface")["trials"].tolist() == [77]
    assert recheck(tmp_path / "run") == []


def test_each_race_of_rfw_has_numbers_and_rates_of_its_own(tree: Path, tmp_path: Path) -> None:
    rfw_tree(tree / "drawn", pd.read_csv(tree / "drawn" / "people.csv", dtype=str), tmp_path / "RFW")
    found = run_protocol(
        "rfw", tmp_path / "RFW", settings(tmp_path / "run", fmr=(0.1,)), far=[0.1], allow_incomplete=True
    )
    accuracy = numbers(found, "accuracy", "insightface")
    assert accuracy["part"].tolist() == ["African", "Indian"]
    assert accuracy["trials"].tolist() == [40, 40]
    within = found.rates[(found.rates["metric"] == "fmr") & found.rates["race"].isin(["African", "Indian"])]
    within = within[within["trials"] > 0]
    assert within["race"].tolist() == ["African", "Indian"]  # and no trial between the two
    assert any("within one race" in said for said in found.record.warnings)
    assert {"fmr", "fnmr"} <= set(found.gaps["metric"])


def test_an_incomplete_folder_is_refused_before_a_model_runs(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"80 pairs, the protocol has 6,000.*--allow-incomplete"):
        run_protocol("lfw", tree / "LFW", settings(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_pairs_that_lose_a_face_count_as_rejected_and_are_told(tree: Path, tmp_path: Path) -> None:
    content = pickle.loads((tree / "made.bin").read_bytes())
    content[0][0] = b"\xff\xd8\xff no picture"
    (tmp_path / "torn.bin").write_bytes(pickle.dumps(content))
    found = run_protocol("bin", tmp_path / "torn.bin", settings(tmp_path / "run"), far=[0.1], allow_incomplete=True)
    table = found.extra["protocol.csv"]
    assert set(table["not_compared"]) == {1}
    tar = table[table["number"] == "tar"].iloc[0]
    assert tar["trials"] == 40
    assert tar["hits"] <= 39


@pytest.mark.parametrize(
    ("more", "words"), [({"embed": None}, "--embed: a protocol compares faces"), ({}, "--far 2: a false accept rate")]
)
def test_what_cannot_be_run_is_refused(tree: Path, tmp_path: Path, more: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        run_protocol("lfw", tree / "LFW", settings(tmp_path / "run", **more), far=[2])
