"""Faces without a detector: points from a file and aligned crops give the same results as the photographs, to the byte."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pandas as pd
import pytest

from facegap.audit.run import recheck
from facegap.authenticity.again import sample_again
from facegap.errors import ModelError, RunError, SettingError, TableError
from facegap.inputs.cards.read import read_card, resolve_card
from facegap.inputs.point_layouts import BOX, NAMED
from facegap.report.reproduce import command_of
from facegap.report.tested import about
from facegap.store.run import read_run
from facegap.types import ANY
from facegap.vision.align import aligned, square_crop
from fixtures.settings import audited

PEOPLE = 8
ALIKE = {"by": "gender", "min_subjects": 2, "allow_missing": False}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> Path:
    """A folder of illustrated people, two images each, each person with a distinct pattern."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(3)
    lines = ["image,subject,gender"]
    for k in range(PEOPLE):
        for copy in range(2):
            picture = draw(green=180 if k % 2 else 60, quadrants=(k % 4,))
            picture[..., 2] = rng.integers(0, 200, (64, 64))
            cv2.imwrite(str(folder / f"{k}_{copy}.png"), picture)
            lines.append(f"{k}_{copy}.png,p{k},{'female' if k % 2 else 'male'}")
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def detected(pictures: Path, toys: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The audit of the photographs, with the detector."""
    folder = tmp_path_factory.mktemp("detected") / "run"
    audited(pictures / "people.csv", **toys.three, **ALIKE, out=folder)
    return folder


def pointed(pictures: Path, toys: Any, points: Path, **more: Any) -> Any:
    """An audit with the points of a file."""
    models = {name: value for name, value in toys.three.items() if name != "detect"}
    return audited(pictures / "people.csv", **{**models, **ALIKE, "points": points, **more})


def crops_of(run: Any, images: Path, card: Any, folder: Path) -> Path:
    """The crops that a run passed to a model, as PNG files with their manifest."""
    folder.mkdir()
    for image, face in zip(run.faces["image"], run.faces.to_dict("records"), strict=True):
        picture = cv2.imread(str(images / image))
        if card.alignment is not None:
            points = np.array([face[name] for name in NAMED]).reshape(5, 2)
            template = np.array(card.alignment.template)
            crop = aligned(picture, points, template, card.input.size, card.alignment.interpolation)
        else:
            box = np.array([face[name] for name in BOX])
            crop = square_crop(picture, box, card.crop.margin, card.input.size, card.crop.interpolation)
        cv2.imwrite(str(folder / image), crop)
    (folder / "people.csv").write_bytes((images / "people.csv").read_bytes())
    return folder / "people.csv"


def test_points_of_an_earlier_run_give_the_same_templates_answers_and_counts_to_the_byte(
    pictures: Path, toys: Any, detected: Path, tmp_path: Path
) -> None:
    run = pointed(pictures, toys, detected / "faces.parquet", out=tmp_path / "run")
    for name in ("embeddings.npy", "predictions.parquet", "counts.npz"):
        assert (tmp_path / "run" / name).read_bytes() == (detected / name).read_bytes(), name
    stored = read_run(tmp_path / "run")
    assert stored.record.models["detect"] == "points"
    assert stored.record.request.points_sha256 is not None
    assert "--points faces.parquet" in command_of(stored.record)
    assert "--detect" not in command_of(stored.record)
    assert "points from a file, no detector" in about(run).facts
    assert any("the points of the faces come from faces.parquet" in said for said in stored.record.warnings)
    assert recheck(tmp_path / "run") == []
    again = sample_again(stored, pictures, [toys.folder], 2 * PEOPLE, np.random.default_rng(1))
    assert again.differing == ()
    assert "the file that they came from was not read again" in again.limits[0]


def test_an_image_without_points_is_a_failure_to_acquire_with_a_name_of_its_own(
    pictures: Path, toys: Any, detected: Path, tmp_path: Path
) -> None:
    faces = pd.read_parquet(detected / "faces.parquet")
    faces.iloc[3:].to_csv(tmp_path / "points.csv", index=False)
    run = pointed(pictures, toys, tmp_path / "points.csv")
    assert run.faces["outcome"].tolist() == ["no_points"] * 3 + ["ok"] * (2 * PEOPLE - 3)
    assert run.faces["detail"].tolist()[0] == "points.csv contains no points for the image"
    fta = run.rates[(run.rates["metric"] == "fta") & (run.rates["gender"] == ANY)].iloc[0]
    assert (fta["model"], fta["errors"], fta["trials"]) == ("points", 3, 2 * PEOPLE)
    assert any("3 of 16 images have none (outcome no_points)" in said for said in run.record.warnings)


def test_a_run_that_was_broken_off_goes_on_with_the_same_points_only(
    pictures: Path, toys: Any, detected: Path, tmp_path: Path
) -> None:
    faces = pd.read_parquet(detected / "faces.parquet")
    faces.to_csv(tmp_path / "points.csv", index=False)
    pointed(pictures, toys, tmp_path / "points.csv", out=tmp_path / "run")
    faces.assign(nose_x=faces["nose_x"] + 0.5).to_csv(tmp_path / "points.csv", index=False)
    with pytest.raises(RunError, match="differs in points_sha256"):
        pointed(pictures, toys, tmp_path / "points.csv", out=tmp_path / "run", resume=True)


@pytest.mark.parametrize("task", ["embed", "classify"])
def test_crops_written_as_files_and_read_as_aligned_give_the_same_to_the_byte(
    pictures: Path, toys: Any, detected: Path, tmp_path: Path, task: str
) -> None:
    first = read_run(detected)
    name = {"embed": "embedder", "classify": "classifier"}[task]
    crops = crops_of(first, pictures, read_card(Path(toys.card(name))), tmp_path / "crops")
    chosen = {task: toys.card(name), **({"threshold": [0.5]} if task == "embed" else {})}
    run = audited(crops, detect="aligned", **chosen, **ALIKE, out=tmp_path / "run")
    made = "embeddings.npy" if task == "embed" else "predictions.parquet"
    assert (tmp_path / "run" / made).read_bytes() == (detected / made).read_bytes()
    assert run.record.models["detect"] == "aligned"
    assert "--detect aligned" in command_of(run.record)
    assert any("every image was used as a crop made for the model" in said for said in run.record.warnings)
    assert sample_again(run, crops.parent, [toys.folder], 4, np.random.default_rng(1)).differing == ()


def test_an_image_that_is_no_crop_of_the_model_ends_the_audit(pictures: Path, toys: Any, tmp_path: Path) -> None:
    with pytest.raises(
        TableError, match=r"'0_0.png' has 64 x 64 pixels, and --detect aligned .* toy_embedder, which is 16"
    ):
        audited(pictures / "people.csv", detect="aligned", embed=toys.card("embedder"), threshold=[0.5], **ALIKE)
    (tmp_path / "people.csv").write_text("image,gender\na.png,female\nb.png,male\n")
    for name in "ab":
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((40, 30, 3), np.uint8))
    with pytest.raises(
        TableError, match=r"'a.png' has 30 x 40 pixels, .* toy_classifier, which is a square, or 16 x 16"
    ):
        audited(tmp_path / "people.csv", detect="aligned", classify=toys.card("classifier"), **ALIKE)


def test_settings_that_contradict_each_other_are_refused_before_the_first_image(
    pictures: Path, toys: Any, detected: Path, tmp_path: Path
) -> None:
    faces = pd.read_parquet(detected / "faces.parquet")
    faces.drop(columns=list(BOX)).to_csv(tmp_path / "points.csv", index=False)
    with pytest.raises(ModelError, match=r"points\.csv has points without boxes"):
        pointed(pictures, toys, tmp_path / "points.csv")
    with pytest.raises(SettingError, match="--points and --detect aligned contradict"):
        pointed(pictures, toys, tmp_path / "points.csv", detect="aligned")
    with pytest.raises(ModelError, match="--flip adds the embedding of the mirror image; it needs an embedder"):
        audited(pictures / "people.csv", **toys.two, flip=True, **ALIKE)
    with pytest.raises(ModelError, match="--detect-only needs a detector, but --detect is aligned"):
        audited(pictures / "people.csv", detect="aligned", detect_only=True, **ALIKE)
    faces.assign(image="faces/" + faces["image"]).to_csv(tmp_path / "points.csv", index=False)
    with pytest.raises(TableError, match=r"contains no points for any image of people\.csv"):
        pointed(pictures, toys, tmp_path / "points.csv")


@pytest.mark.real
def test_flip_equals_what_onnxruntime_and_opencv_alone_compute(test_data: Path, tmp_path: Path) -> None:
    with (test_data / "data" / "congress" / "members.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["snapshot"] == "2024"]
    chosen = [row for gender in ("female", "male") for row in [one for one in rows if one["gender"] == gender][:3]]
    lines = [f"{row['image']},{row['subject']},{row['gender']}" for row in chosen]
    (tmp_path / "people.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    run = audited(
        tmp_path / "people.csv",
        embed="mobileface_v2",
        flip=True,
        threshold=[0.3],
        models_dir=[test_data / "models"],
        images_dir=test_data / "data" / "congress",
        by="gender",
    )
    assert "--flip" in command_of(run.record)
    session = onnxruntime.InferenceSession(test_data / "models" / "mobileface_v2.onnx")
    card, _ = resolve_card("mobileface_v2", "embed")
    assert card.alignment is not None
    template = np.array(card.alignment.template)
    for row, points, stored in zip(chosen, run.faces[list(NAMED)].to_numpy(), run.embeddings, strict=True):
        # similarity by least squares: x' = a x - b y + c, y' = b x + a y + d
        face = points.reshape(5, 2)
        ones, none = np.ones(5), np.zeros(5)
        matrix = np.block(
            [
                [face[:, :1], -face[:, 1:], ones[:, None], none[:, None]],
                [face[:, 1:], face[:, :1], none[:, None], ones[:, None]],
            ]
        )
        a, b, c, d = np.linalg.lstsq(matrix, template.T.ravel(), rcond=None)[0]
        picture = cv2.imread(str(test_data / "data" / "congress" / row["image"]))
        crop = cv2.cvtColor(cv2.warpAffine(picture, np.array([[a, -b, c], [b, a, d]]), (112, 112)), cv2.COLOR_BGR2RGB)
        fed = np.stack([crop, crop[:, ::-1]]).transpose(0, 3, 1, 2).astype(np.float32)
        one, mirrored = session.run(None, {"data": fed})[0].astype(np.float64)
        expected = (one + mirrored) / np.linalg.norm(one + mirrored)
        assert stored == pytest.approx(expected, abs=2e-5)
        assert float(stored @ (one / np.linalg.norm(one))) < 0.9999  # without the mirror image the template differs
