"""Whole audits of illustrated people by toy models: every outcome, every rate by hand, and what must be rejected."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap import runtime
from facegap.audit.run import recheck
from facegap.errors import CardError, FacegapError, ModelError, RunError, TableError
from facegap.store import run as store
from facegap.vision import pipeline
from fixtures.campaigns import campaign
from fixtures.settings import audited

# name: (gender, race, age label, properties). Green 204 is female with 0.8, red 51 is 20 years old.
PEOPLE: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "right.png": ("f", "a", "20-29", {"green": 204, "red": 51}),
    "wrong.png": ("Female", "b", "20-29", {"green": 51, "red": 102}),  # 40 years: 11 beyond 29
    "black.png": ("woman", "b", "20-29", {"quadrants": ()}),
    "man.png": ("male", "a", "more than 70", {"green": 51, "red": 128}),  # 50.2 years: 19.8 short of 70
    "two.png": ("m", "a", "30", {"green": 51, "quadrants": (0, 3)}),
    "small.png": ("m", "a", "30", {"quadrants": ()}),
    "text.png": ("m", "b", "30", {}),
    "gone.png": ("m", "b", "30", {}),
    "blue.png": ("man", "b", "0-2", {"green": 0}),  # 0 years; the embedder gives zeros
    "other.png": ("nonbinary", "b", "adult", {"green": 51, "red": 51}),
    "nobody.png": ("", "", "", {"green": 204, "red": 51}),
}
OUTCOMES = [
    "ok",
    "ok",
    "no_face",
    "ok",
    "many_faces",
    "too_small",
    "unreadable",
    "missing_file",
    "no_template",
    "ok",
    "ok",
]
ANSWERS = [
    *["right", "wrong", "no_answer", "right", "no_answer", "no_answer", "not_shown", "not_shown"],
    *["right", "outside_classes", "unlabelled"],
]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> Path:
    """A manifest with its images, one of each kind; not to be changed."""
    folder = tmp_path_factory.mktemp("people")
    for name, (_, _, _, drawn) in PEOPLE.items():
        picture = draw(**drawn)
        if name == "small.png":
            picture[8:16, 8:16] = (0, 0, 255)
        cv2.imwrite(str(folder / name), picture)
    (folder / "text.png").write_text("not an image")
    (folder / "gone.png").unlink()
    lines = [f"{name},{gender},{race},{age}" for name, (gender, race, age, _) in PEOPLE.items()]
    path = folder / "people.csv"
    path.write_text("image,gender,race,age\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


REQUEST: dict[str, Any] = {"many_faces": "refuse", "by": ["gender", "gender*race"]}


@pytest.fixture(scope="module")
def run(people: Path, toys: Any) -> Any:
    """The people through all three models, in memory; images with two faces are rejected."""
    return audited(people, **toys.three, **REQUEST, workers=2)


@pytest.fixture(scope="module")
def whole(people: Path, toys: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same on the disk; not to be changed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    audited(people, **toys.three, **REQUEST, out=folder)
    return folder


@pytest.fixture
def finished(whole: Path, tmp_path: Path) -> Path:
    """A copy of the run on the disk."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def counts(run: Any, metric: str, **groups: str) -> tuple[int, int]:
    """Errors and trials of one row of RATES; attributes not named are `any`."""
    rates = run.rates[run.rates["metric"] == metric]
    attributes = [name for name in ("gender", "race", "age") if name in rates.columns]
    for name in attributes:
        rates = rates[rates[name] == groups.get(name, "any")]
    assert len(rates) == 1, rates
    return int(rates["errors"].iloc[0]), int(rates["trials"].iloc[0])


# ---- outcomes and rates ----


def test_every_outcome_occurs_once_per_row_of_the_manifest(run: Any) -> None:
    assert run.faces["image"].tolist() == list(PEOPLE)
    assert run.faces["outcome"].tolist() == OUTCOMES
    assert run.predictions["outcome"].tolist() == ANSWERS
    assert run.predictions["label"].tolist()[9:] == ["nonbinary", "unknown"]


def test_rates_of_everybody_and_of_each_gender_are_those_counted_by_hand(run: Any) -> None:
    expected = {
        # all, women, men, nonbinary, without a label
        "fta": [(4, 9), (1, 3), (3, 4), (0, 1), (0, 1)],  # an unreadable and a missing file are not trials
        "error_rate_answered": [(1, 4), (1, 2), (0, 2), (0, 0), (0, 0)],
        "error_rate_all": [(4, 7), (2, 3), (2, 4), (0, 0), (0, 0)],
        "age_error_over_5": [(2, 4), (1, 2), (1, 2), (0, 0), (0, 0)],
    }
    groups = ["any", "female", "male", "nonbinary", "unknown"]
    for metric, pairs in expected.items():
        assert [counts(run, metric, gender=group) for group in groups] == pairs, metric


def test_a_group_without_trials_has_no_rate(run: Any) -> None:
    rates = run.rates
    row = rates[
        (rates["metric"] == "error_rate_all") & (rates["gender"] == "nonbinary") & (rates["race"] == "any")
    ].iloc[0]
    assert np.isnan([row["value"], row["low"], row["high"]]).all()


def test_ages_are_measured_to_the_nearest_end_of_the_label(run: Any) -> None:
    age = run.age[run.age["race"] == "any"].set_index("gender")
    assert age.loc["any", "trials"] == 4  # "adult" is not an age, and two people have no usable answer
    assert age.loc["female", "mean_absolute_error_years"] == pytest.approx((0 + 11) / 2, abs=1e-3)
    assert age.loc["male", "mean_absolute_error_years"] == pytest.approx((70 - 128 / 2.55) / 2, abs=1e-3)


def test_crossed_columns_give_cells_and_no_margins(run: Any) -> None:
    assert counts(run, "fta", gender="female") == (1, 3)
    assert counts(run, "fta", gender="female", race="a") == (0, 1)
    assert counts(run, "fta", gender="female", race="b") == (1, 2)
    assert counts(run, "error_rate_all", gender="male", race="b") == (0, 1)
    assert run.rates[(run.rates["gender"] == "any") & (run.rates["race"] != "any")].empty
    assert "age" not in run.rates.columns


def test_row_k_of_the_embeddings_is_the_kth_face_that_is_ok(run: Any) -> None:
    ok = run.faces[run.faces["outcome"] == "ok"]
    assert ok["embedding_row"].tolist() == list(range(len(ok)))
    assert set(run.faces.loc[run.faces["outcome"] != "ok", "embedding_row"]) == {-1}
    assert run.embeddings.shape == (5, 8)
    for row, name in zip(run.embeddings, ok["image"], strict=True):
        drawn = PEOPLE[str(name)][3]
        expected = np.repeat([drawn.get("red", 0), drawn["green"]], 4).astype(float)
        assert row == pytest.approx(expected / np.linalg.norm(expected), abs=1e-4)


def test_a_face_without_a_template_is_still_answered_by_the_classifier(run: Any) -> None:
    assert run.faces["outcome"].tolist()[8] == "no_template"
    assert run.predictions["outcome"].tolist()[8] == "right"


def test_without_by_every_label_column_stands_alone(people: Path, toys: Any) -> None:
    rates = audited(people, **toys.two).rates
    split = {tuple(row) for row in (rates[["gender", "race", "age"]] != "any").to_numpy()}
    assert split == {(False, False, False), (True, False, False), (False, True, False), (False, False, True)}


def test_without_an_embedder_a_face_needs_no_template(people: Path, toys: Any) -> None:
    run = audited(people, **toys.two, by="gender")
    assert run.faces["outcome"].tolist()[8] == "ok"
    assert run.embeddings is None
    assert set(run.faces["embedding_row"]) == {-1}
    # and the larger of two faces is used by default
    assert run.faces["outcome"].tolist()[4] == "ok"
    assert run.faces["faces"].tolist()[4] == 2
    assert set(run.faces["policy"]) == {"largest"}
    assert counts(run, "fta", gender="male") == (1, 4)


def test_where_leaves_rows_out_and_says_how_many(people: Path, toys: Any) -> None:
    run = audited(people, detect=toys.card("detector"), detect_only=True, where="race == 'b'", by="gender")
    assert run.faces["image"].tolist() == [name for name, person in PEOPLE.items() if person[1] == "b"]
    assert run.record.manifest.excluded_by_where == 5


def test_detection_alone_is_an_audit_of_fta(people: Path, toys: Any) -> None:
    run = audited(people, detect=toys.card("detector"), detect_only=True, by="gender")
    assert set(run.rates["metric"]) == {"fta"}
    assert set(run.rates["model"]) == {"toy_detector"}
    assert len(run.age) == 0


def test_an_audit_in_which_nobody_is_found_still_ends(tmp_path: Path, toys: Any) -> None:
    (tmp_path / "people.csv").write_text("image,gender\na.png,f\nb.png,m\n")
    run = audited(tmp_path / "people.csv", **toys.three, out=tmp_path / "run")
    assert set(run.faces["outcome"]) == {"missing_file"}
    assert counts(run, "fta") == (0, 0)
    assert run.embeddings is not None
    assert run.embeddings.shape == (0, 8)
    assert recheck(tmp_path / "run") == []


def test_a_part_without_any_image_joins_the_others(tmp_path: Path, toys: Any, draw: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(pipeline, "PART_ROWS", 2)
    for name in ("c.png", "f.png"):
        cv2.imwrite(str(tmp_path / name), draw(green=204))
    (tmp_path / "people.csv").write_text("image,gender\n" + "".join(f"{name}.png,f\n" for name in "abcdef"))
    faces = audited(tmp_path / "people.csv", **toys.two).faces
    assert faces["outcome"].tolist() == ["missing_file"] * 2 + ["ok"] + ["missing_file"] * 2 + ["ok"]
    assert faces["width"].isna().tolist() == [True, True, False, True, True, False]


def test_batch_and_workers_do_not_change_a_table(run: Any, people: Path, toys: Any) -> None:
    other = audited(people, **toys.three, **REQUEST, batch=1, workers=1)
    pd.testing.assert_frame_equal(run.faces, other.faces)
    pd.testing.assert_frame_equal(run.rates, other.rates)
    assert np.allclose(run.embeddings, other.embeddings, atol=1e-6)


# ---- what is recorded ----


def test_the_record_says_what_ran_and_how_long_each_stage_took(run: Any) -> None:
    execution = run.record.execution
    assert execution.device_asked == "cpu"
    assert execution.providers_used == ("CPUExecutionProvider",)
    assert (execution.threads, execution.workers, execution.batch) == (1, 2, 8)
    assert set(execution.models) == {"toy_detector", "toy_embedder", "toy_classifier"}
    assert all(len(sha256) == 64 for sha256 in execution.models.values())
    assert run.record.models == {"detect": "toy_detector", "embed": "toy_embedder", "classify": "toy_classifier"}
    images = {stage: entry.images for stage, entry in run.record.timing.per_image.items()}
    assert images == {"decode": 11, "detect": 9, "crop": 9, "covariates": 7, "embed": 6, "classify": 6, "quality": 0}
    for entry in (entry for entry in run.record.timing.per_image.values() if entry.images):
        assert 0 < entry.median_ms <= entry.p95_ms


def test_progress_counts_every_image_once(people: Path, toys: Any) -> None:
    seen: list[tuple[int, int]] = []
    audited(
        people,
        detect=toys.card("detector"),
        detect_only=True,
        by="gender",
        workers=1,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(k, 11) for k in range(1, 12)]


# ---- the folder ----


def test_a_run_in_memory_writes_the_files_of_a_run_on_disk(run: Any, whole: Path, tmp_path: Path) -> None:
    run.write(tmp_path / "memory")
    names = {path.name for path in whole.iterdir()}
    assert names == {path.name for path in (tmp_path / "memory").iterdir()}
    tables = {
        "manifest.parquet",
        "faces.parquet",
        "predictions.parquet",
        "embeddings.npy",
        "rates.csv",
        "gaps.csv",
        "age.csv",
    }
    assert tables <= names
    for name in names - {"run.json", "SHA256SUMS"}:  # these two contain times
        assert (whole / name).read_bytes() == (tmp_path / "memory" / name).read_bytes(), name
    assert recheck(tmp_path / "memory") == []


def test_templates_can_be_left_out_of_the_folder(people: Path, toys: Any, tmp_path: Path) -> None:
    run = audited(people, **toys.three, by="gender", keep_embeddings=False, out=tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.npy"))
    assert run.embeddings is None
    assert recheck(tmp_path / "run") == []


def test_nothing_temporary_stays_behind(people: Path, toys: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    run = audited(people, **toys.three, by="gender")
    assert list((tmp_path / "scratch").iterdir()) == []
    assert run.embeddings is not None
    assert np.isfinite(run.embeddings).all()  # still readable


def test_recheck_finds_a_changed_byte_in_every_file(finished: Path) -> None:
    assert recheck(finished) == []
    for path in store.hashed_files(finished):
        before = path.read_bytes()
        for place in (0, len(before) // 3, len(before) - 1):
            changed = bytearray(before)
            changed[place] ^= 0x01
            path.write_bytes(changed)
            name = path.relative_to(finished).as_posix()
            assert recheck(finished) == [f"{name}: changed since the run was written"]
        path.write_bytes(before)


@pytest.mark.parametrize("name", ["rates.csv", "age.csv"])
def test_recheck_finds_a_table_that_its_rows_do_not_give_even_under_new_sums(finished: Path, name: str) -> None:
    text = (finished / name).read_text("utf-8")
    (finished / name).write_text(text.replace("any", "ANY", 1), encoding="utf-8")
    store.finish(finished)
    assert recheck(finished) == [f"{name}: differs from the result of the stored rows"]


def test_recheck_finds_rows_that_do_not_give_the_tables_even_under_new_sums(finished: Path) -> None:
    predictions = pd.read_parquet(finished / "predictions.parquet")
    predictions.loc[0, "outcome"] = "wrong"
    predictions.to_parquet(finished / "predictions.parquet", index=False)
    store.finish(finished)
    assert "rates.csv: differs from the result of the stored rows" in recheck(finished)


def test_a_finished_run_is_returned_as_it_is_when_resumed(people: Path, toys: Any, finished: Path) -> None:
    before = {path.name: path.read_bytes() for path in store.hashed_files(finished)}
    run = audited(people, **toys.three, **REQUEST, out=finished, resume=True)
    assert run.faces["outcome"].tolist() == OUTCOMES
    assert {path.name: path.read_bytes() for path in store.hashed_files(finished)} == before


def test_a_used_folder_is_not_written_into_without_resume(people: Path, toys: Any, finished: Path) -> None:
    with pytest.raises(RunError, match="not empty"):
        audited(people, **toys.three, **REQUEST, out=finished)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"batch": 4}, "models.batch"),
        ({"many_faces": "centre"}, "faces.many_faces"),
        ({"where": "race != 'z'"}, "groups.where"),
        ({"by": "race"}, "by"),
        ({"min_face": 8}, "faces.min_face"),
        ({"embed": None}, "embed"),
    ],
)
def test_resume_refuses_another_request_and_names_what_differs(
    people: Path, toys: Any, finished: Path, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(RunError, match=rf"the run in it differs in .*settings\.{named}\b"):
        audited(people, **(toys.three | REQUEST | change), out=finished, resume=True)


def test_resume_refuses_another_manifest(people: Path, toys: Any, finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(people.parent, tmp_path / "others")
    text = people.read_text("utf-8").replace("nonbinary", "female")
    (folder / "people.csv").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match="differs in manifest_sha256; resume it with the same command"):
        audited(folder / "people.csv", **toys.three, **REQUEST, out=finished, resume=True)


def test_resume_refuses_another_version(people: Path, toys: Any, finished: Path, monkeypatch: Any) -> None:
    real = runtime.version_of
    monkeypatch.setattr(runtime, "version_of", lambda name: "9.9" if name == "numpy" else real(name))
    with pytest.raises(RunError, match=r"differs in versions\.numpy; resume it with the same command"):
        audited(people, **toys.three, **REQUEST, out=finished, resume=True)


# ---- refusals before any model runs ----


def test_an_audit_of_nothing_names_what_could_be_audited(people: Path, toys: Any) -> None:
    with pytest.raises(ModelError, match=r"nothing to audit: .*--classify .*--embed .*--detect-only"):
        audited(people, detect=toys.card("detector"))
    with pytest.raises(ModelError, match="--detect-only audits the detector alone"):
        audited(people, **toys.two, detect_only=True)
    with pytest.raises(ModelError, match="--detect-only needs a detector"):
        audited(people, detect="none", detect_only=True)


def test_a_known_file_under_another_name_is_recognised_and_said(people: Path, toys: Any, tmp_path: Path) -> None:
    shutil.copy(toys.folder / "toy_classifier.toml", tmp_path)
    renamed = shutil.copy(toys.folder / "toy_classifier.onnx", tmp_path / "model_final.onnx")
    said: list[str] = []
    run = audited(people, **(toys.two | {"classify": str(renamed)}), by="gender", notice=said.append)
    sentence = "model_final.onnx is toy_classifier by its sha256; the settings of that card are used"
    assert sentence in said
    assert sentence in run.record.warnings


def test_a_misspelt_group_is_refused_before_any_model_runs(people: Path) -> None:
    with pytest.raises(TableError, match="no label column 'rase'; did you mean 'race'"):
        audited(people, detect="no such card", detect_only=True, by="gender,rase")


def test_an_embedder_needs_a_detector_with_points(
    people: Path, toys: Any, graphs: Any, card_writer: Any, tmp_path: Path
) -> None:
    tables = '\n[detector]\ndecoder = "ultraface"\nresize = "stretch"\nscore_threshold = 0.5\nnms_iou = 0.3\npoints = false\n'
    model = graphs.answering({"scores": [[[0, 1]]], "boxes": [[[0, 0, 1, 1]]]})
    boxes_only = card_writer(tmp_path, "boxes_only", "detect", model, tables, side=64)
    with pytest.raises(ModelError, match="boxes_only returns boxes only, but --embed toy_embedder needs five points"):
        audited(people, **(toys.three | {"detect": str(boxes_only)}))
    run = audited(people, **(toys.two | {"detect": str(boxes_only)}), by="gender")
    assert run.faces["outcome"].tolist()[0] == "ok"


@pytest.mark.parametrize(
    ("models", "error"),
    [({"detect": "yunnet"}, CardError), ({"classify": "embedder"}, CardError), ({"embed": "classifier"}, CardError)],
)
def test_a_model_that_is_not_there_or_of_another_task_is_refused(
    people: Path, toys: Any, models: dict[str, str], error: type[FacegapError]
) -> None:
    named = {task: name if name == "yunnet" else toys.card(name) for task, name in models.items()}
    with pytest.raises(error):
        audited(people, **(toys.three | named))


# ---- disks ----

LIMITED = """
import resource, sys
sys.dont_write_bytecode = True  # half a .pyc would stay and break the next start
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from facegap.cli import main
main()
"""


@pytest.mark.parametrize("limit", [6000, *(pytest.param(size, marks=campaign) for size in range(250, 12_000, 500))])
def test_a_full_disk_ends_the_command_with_one_line_and_resume_goes_on(
    people: Path, toys: Any, tmp_path: Path, limit: int
) -> None:
    command = ["audit", str(people), "--out", str(tmp_path / "run"), "--by", "gender", "--allow-missing"]
    for task, card in toys.two.items():
        command += [f"--{task}", card]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *command], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if "facegap" in line]
    assert len(lines) == 1, done.stderr
    assert "cannot write the run (File too large); free some space" in lines[0]
    assert "Traceback" not in done.stderr
    run = audited(people, **toys.two, by="gender", out=tmp_path / "run", resume=True)
    assert len(run.faces) == len(PEOPLE)
    assert recheck(tmp_path / "run") == []


def test_a_disk_that_fills_between_parts_is_one_error(
    people: Path, toys: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    real = os.fsync

    def full_later(descriptor: int) -> None:
        if (tmp_path / "run" / "parts").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full_later)
    with pytest.raises(RunError, match="No space left on device"):
        audited(people, **toys.two, out=tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".lock", "parts", "run.json"]


def test_a_folder_that_cannot_be_made_is_refused_before_any_model_runs(people: Path, toys: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    seen: list[int] = []
    with pytest.raises(RunError, match="cannot write the run"):
        audited(people, **toys.two, out=tmp_path / "file" / "run", progress=lambda done, _: seen.append(done))
    assert not seen
