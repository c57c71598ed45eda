"""Whole audits of illustrated people with measured and annotated tone: with toy models, as black boxes, killed, rechecked."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.audit.run import recheck
from facegap.audit.settings import Verify
from facegap.derive.run import derived
from facegap.errors import RunError, TableError
from facegap.report import summary as overview
from facegap.store import run as store
from facegap.tables import TONE
from fixtures.settings import asked, audit_embeddings, audit_predictions, audited

PEOPLE, DRAWS = 120, 25
BY = "gender*measured_tone,annotated_tone"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> dict[str, Path]:
    """Illustrated people, every third of whom is misclassified by the toy model if darker; their tone, measured and annotated."""
    folder, rng = tmp_path_factory.mktemp("toned"), np.random.default_rng(4)
    darker, female = rng.random(PEOPLE) < 0.5, rng.random(PEOPLE) < 0.5
    wrong = rng.random(PEOPLE) < np.where(darker, 0.4, 0.1)
    images = [f"{k}.png" for k in range(PEOPLE)]
    for k, image in enumerate(images):
        seen_as_female = female[k] != wrong[k]
        cv2.imwrite(
            str(folder / image), draw(green=204 if seen_as_female else 51, red=k, quadrants=() if k == 5 else (0,))
        )
    gender = np.where(female, "female", "male")
    pd.DataFrame({"image": images, "subject": images, "gender": gender}).to_csv(folder / "people.csv", index=False)
    said = np.where(female != wrong, "female", "male")
    pd.DataFrame({"image": images, "prediction": said}).to_csv(folder / "said.csv", index=False)
    np.save(folder / "templates.npy", rng.standard_normal((PEOPLE, 8)).astype(np.float32))
    chance = np.where(darker, rng.uniform(0.6, 1, PEOPLE), rng.uniform(0, 0.4, PEOPLE))
    write_tone(folder, images, chance, np.arange(PEOPLE) == 5)
    write_annotations(folder, images, darker, rng)
    names = ("people.csv", "said.csv", "templates.npy", "tone.parquet", "annotations.csv")
    return {name.split(".")[0]: folder / name for name in names}


def write_tone(folder: Path, images: list[str], chance: np.ndarray, lost: np.ndarray) -> None:
    """A TONE table; tones between 0.2 and 0.8 are not labelled."""
    called = np.select([lost, chance > 0.8, chance < 0.2], ["", "darker", "lighter"], "unknown")
    frame = pd.DataFrame(
        {
            "row": range(PEOPLE),
            "line": range(2, PEOPLE + 2),
            "image": images,
            "subject": images,
            "outcome": np.where(lost, "no_face", "measured"),
            "detail": "",
            "exposure": "",
            "photographs": 1,
            "measured_tone": called,
            "darker_probability": np.where(lost, np.nan, chance),
            "measured_monk": pd.array([None] * PEOPLE, dtype="Int32"),
        }
    )
    missing = [name for name in TONE.columns if name not in frame]
    frame.assign(**dict.fromkeys(missing, np.nan))[list(TONE.columns)].to_parquet(folder / "tone.parquet")


def write_annotations(folder: Path, images: list[str], darker: np.ndarray, rng: np.random.Generator) -> None:
    """Three annotators who each err on one in ten."""
    rows = [
        f"{image},{name},lighter_darker,{'darker' if dark != (rng.random() < 0.1) else 'lighter'},,2025-01-31T12:00:00Z"
        for image, dark in zip(images, darker, strict=True)
        for name in "xyz"
    ]
    (folder / "annotations.csv").write_text("image,annotator,scale,value,skipped,at\n" + "\n".join(rows) + "\n")


def request(files: dict[str, Path], toys: Any, **more: Any) -> dict[str, Any]:
    """Arguments of `audit`."""
    return {
        "manifest": str(files["people"]),
        **toys.two,
        "by": BY,
        "tone": str(files["tone"]),
        "annotations": str(files["annotations"]),
        "label_draws": DRAWS,
        "min_subjects": 10,
        "no_isolation": True,
        **more,
    }


@pytest.fixture(scope="module")
def whole(files: dict[str, Path], toys: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run on the disk; not to be changed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    audited(**request(files, toys), out=folder)
    return folder


def test_gaps_are_told_with_and_without_label_uncertainty_and_the_folder_holds_what_recheck_needs(whole: Path) -> None:
    run = store.read_run(whole)
    gaps = run.gaps[run.gaps["metric"] == "error_rate_all"]
    assert set(gaps["family"]) == {"gender*measured_tone", "annotated_tone"}
    assert (gaps["label_draws"] == DRAWS).all()
    assert (gaps["label_difference_low"] <= gaps["difference_low"]).all()
    assert (gaps["label_difference_high"] >= gaps["difference_high"]).all()
    assert run.labels is not None
    assert set(run.labels["column"]) == {"measured_tone", "annotated_tone"}
    assert "labels.parquet" in (whole / "SHA256SUMS").read_text()
    assert recheck(whole) == []


def test_the_record_has_the_hashes_and_how_the_labels_are_spread(whole: Path, files: dict[str, Path]) -> None:
    stated = store.read_record(whole).labels
    assert stated is not None
    assert stated.annotations is not None
    assert stated.tone_sha256 == store.sha256(files["tone"])
    assert stated.annotations.sha256 == store.sha256(files["annotations"])
    assert stated.annotations.annotators == 3
    tone = stated.columns["measured_tone"]
    assert sum(tone.rows.values()) + sum(tone.without_label.values()) == PEOPLE
    assert tone.without_label["no_face"] == 1


def test_no_gap_of_lost_faces_is_claimed_where_only_found_faces_have_a_label(whole: Path) -> None:
    gaps = store.read_run(whole).gaps
    assert gaps[(gaps["metric"] == "fta") & gaps["family"].str.contains("measured")].empty
    assert not gaps[(gaps["metric"] == "fta") & (gaps["family"] == "annotated_tone")].empty


def test_a_changed_probability_is_found_though_every_hash_is_made_anew(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    labels = pd.read_parquet(folder / "labels.parquet")
    labels["probability"] = 1 - labels["probability"]
    labels.to_parquet(folder / "labels.parquet", index=False)
    assert recheck(folder) == ["labels.parquet: changed since the run was written"]
    store.finish(folder)
    assert "gaps.csv: differs from the result of the stored rows" in recheck(folder)


def test_a_run_with_tone_is_the_same_again_and_another_with_another_seed(
    files: dict[str, Path], toys: Any, whole: Path
) -> None:
    stored = store.read_run(whole)
    again = audited(**request(files, toys))
    assert store.csv_bytes(again.gaps) == (whole / "gaps.csv").read_bytes()
    other = audited(**request(files, toys, seed=1))
    assert other.gaps["difference"].equals(stored.gaps["difference"])
    assert not other.gaps["label_difference"].equals(stored.gaps["label_difference"])


def test_without_tone_nothing_changes_but_empty_columns(files: dict[str, Path], toys: Any) -> None:
    run = audited(files["people"], **toys.two, by="gender")
    assert run.labels is None
    assert run.record.labels is None
    assert "label_trust.csv" not in run.extra
    assert (run.gaps["label_draws"] == 0).all()
    assert not run.gaps["label_differs"].any()


def test_gaps_of_other_columns_do_not_move_by_joining_tone(files: dict[str, Path], toys: Any) -> None:
    alone = audited(files["people"], **toys.two, by="gender", min_subjects=10).gaps
    beside = audited(**request(files, toys, by="gender,measured_tone")).gaps
    assert beside[beside["family"] == "gender"].reset_index(drop=True).equals(alone)


def test_by_measured_tone_without_the_file_names_the_cure(files: dict[str, Path], toys: Any) -> None:
    with pytest.raises(TableError, match=r"measured_tone.*--tone"):
        audited(files["people"], **toys.two, by="gender*measured_tone")


def test_a_run_is_not_gone_on_with_under_other_labels(files: dict[str, Path], toys: Any, whole: Path) -> None:
    for more in ({"label_draws": DRAWS + 1}, {"tone": None, "by": "annotated_tone"}):
        with pytest.raises(RunError, match="labels"):
            audited(**request(files, toys, **more), out=whole, resume=True)


# One process imports what an audit needs and forks once for each moment.
KILLED = """
import json, os, sys
import facegap
from facegap.audit import run, finish
from facegap.store import run as store


def killed_at(request, name, file):
    real = getattr(store, name)

    def dying(*arguments, **named):
        if file is None or os.path.basename(str(arguments[0])) == file:
            os.kill(os.getpid(), 9)
        return real(*arguments, **named)

    setattr(store, name, dying)
    facegap.audit(**request)


for request, name, file in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        try:
            killed_at(request, name, file)
        finally:
            os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


MOMENTS = (("write_parquet", "labels.parquet"), ("finish", None))


@pytest.fixture(scope="module")
def killed_runs(files: dict[str, Path], toys: Any, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """For each moment, the arguments of a run that was killed at it."""
    folder = tmp_path_factory.mktemp("killed")
    runs = [request(files, toys, out=str(folder / str(k) / "run")) for k in range(len(MOMENTS))]
    jobs = json.dumps([(asked(**arguments), *moment) for arguments, moment in zip(runs, MOMENTS, strict=True)])
    done = subprocess.run([sys.executable, "-c", KILLED, jobs], capture_output=True, text=True, check=True, timeout=200)
    assert done.stdout.split() == [str(-signal.SIGKILL)] * len(MOMENTS), done.stderr
    return runs


@pytest.mark.parametrize("moment", range(len(MOMENTS)), ids=["labels.parquet", "finish"])
def test_a_run_killed_at_its_tables_ends_with_those_of_an_unbroken_one(
    moment: int, killed_runs: list[dict[str, Any]], whole: Path
) -> None:
    arguments = killed_runs[moment]
    tmp_path = Path(arguments["out"]).parent
    assert not (tmp_path / "run" / "SHA256SUMS").exists()
    audited(**{**arguments, "resume": True})
    for name in ("gaps.csv", "rates.csv", "label_trust.csv", "labels.parquet", "manifest.parquet"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes(), name
    assert recheck(tmp_path / "run") == []
    assert oct((tmp_path / "run" / "labels.parquet").stat().st_mode & 0o777) == "0o600"
    assert not (tmp_path / "run" / "parts").exists()


def test_a_black_box_is_audited_by_tone_too(files: dict[str, Path], tmp_path: Path) -> None:
    run = audit_predictions(
        files["said"],
        files["people"],
        by=BY,
        groups={"tone": files["tone"], "annotations": files["annotations"], "label_draws": DRAWS},
        out=tmp_path / "run",
    )
    assert (run.gaps["label_draws"] == DRAWS).all()
    assert recheck(tmp_path / "run") == []


def test_comparisons_of_templates_are_counted_again_under_drawn_labels(files: dict[str, Path], tmp_path: Path) -> None:
    run = audit_embeddings(
        files["templates"],
        files["people"],
        by="measured_tone",
        groups={"tone": files["tone"]},
        verify=Verify(fmr=(), threshold=(0.5,)),
        out=tmp_path / "run",
    )
    pairs = run.gaps[run.gaps["metric"] == "fmr"].iloc[0]
    assert pairs["label_draws"] == 200
    assert pairs["label_ratio_low"] <= pairs["ratio_low"]
    assert pairs["label_ratio_high"] >= pairs["ratio_high"]
    assert pairs["label_p"] >= pairs["p"]
    assert np.isnan(pairs["label_attenuation"])
    assert pairs["verdict"] != "no gap larger than the margin"
    assert "remaining gap in FMR is not known" in " ".join(run.record.warnings)
    assert recheck(tmp_path / "run") == []


def test_terminal_and_page_print_the_same_tables_on_labels(whole: Path) -> None:
    run = store.read_run(whole)
    tables = {table.title: table for table in overview.all_tables(run, view=None, include_ids=False)}
    assert ("measured_tone", "none: no_face", "1") in tables["labels of skin tone"].rows
    uncertain = tables["the same gaps with label uncertainty"]
    assert any(row[0] == "annotated_tone" for row in uncertain.rows)
    assert uncertain.notes[0] == f"{DRAWS} resamples, seed 0."
    trust = next(table for title, table in tables.items() if title.startswith("annotated_tone: gender misclassified"))
    assert [row[0] for row in trust.rows][:2] == ["100%", "95%"]
    assert derived(run).gaps["label_p"].equals(run.gaps["label_p"])
