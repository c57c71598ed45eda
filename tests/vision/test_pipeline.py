"""Parts through all models: each row gets its outcome, each part comes once, an error ends everything."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.errors import ModelError
from facegap.inputs.cards.decoders import Faces
from facegap.inputs.cards.read import read_card
from facegap.runtime import open_session
from facegap.tables import COVARIATES
from facegap.vision import find, look, pipeline
from facegap.vision.classify import classifier
from facegap.vision.detect import Detector, detector
from facegap.vision.embed import embedder, raw_embeddings
from facegap.vision.look import Stages
from facegap.vision.pipeline import STAGES, Part, run_part, run_parts


@pytest.fixture
def stages(toys: Any) -> Any:
    """The toy models, ready; further settings by name."""

    def made(*, embeds: bool = True, classifies: bool = True, **settings: Any) -> Stages:
        cards = {name: read_card(Path(toys.card(name))) for name in ("detector", "embedder", "classifier")}
        sessions = {name: open_session((toys.folder / f"toy_{name}.onnx").read_bytes(), name=name) for name in cards}
        return Stages(
            detector(cards["detector"], sessions["detector"]),
            embedder(cards["embedder"], sessions["embedder"], 8) if embeds else None,
            classifier(cards["classifier"], sessions["classifier"], 8) if classifies else None,
            **settings,
        )

    return made


def manifest_of(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"row": range(len(names)), "image": names, "path": names})


@pytest.fixture
def pictures(tmp_path: Path, draw: Any) -> pd.DataFrame:
    """One picture of every outcome, in the order of the names."""
    cv2.imwrite(str(tmp_path / "ok.png"), draw(green=204, red=51))
    cv2.imwrite(str(tmp_path / "black.png"), draw(quadrants=()))
    cv2.imwrite(str(tmp_path / "two.png"), draw(green=100, quadrants=(0, 3)))
    small = draw(quadrants=())
    small[8:16, 8:16] = (0, 0, 255)
    cv2.imwrite(str(tmp_path / "small.png"), small)
    (tmp_path / "text.png").write_text("not an image")
    cv2.imwrite(str(tmp_path / "blue.png"), draw())  # the embedder gives zeros
    return manifest_of(["ok.png", "black.png", "two.png", "small.png", "text.png", "gone.png", "blue.png"])


def test_every_outcome_occurs_where_it_should(stages: Any, pictures: pd.DataFrame, tmp_path: Path) -> None:
    part = run_part(pictures, tmp_path, stages(many_faces="refuse"), lambda: None)
    expected = ["ok", "no_face", "many_faces", "too_small", "unreadable", "missing_file", "no_template"]
    assert part.rows["outcome"].tolist() == expected
    assert part.rows["faces"].tolist() == [1, 0, 2, 1, 0, 0, 1]
    assert part.rows["image"].tolist() == pictures["image"].tolist()
    details = dict(zip(part.rows["outcome"], part.rows["detail"], strict=True))
    assert details["many_faces"] == "2 faces, with --many-faces refuse"
    assert details["too_small"] == "8.0 pixels, --min-face 12"
    assert details["ok"] == ""


def test_only_faces_that_are_ok_have_templates(stages: Any, pictures: pd.DataFrame, tmp_path: Path) -> None:
    part = run_part(pictures, tmp_path, stages(many_faces="refuse"), lambda: None)
    assert part.embeddings is not None
    # red 51, green 204 in each quarter: lengths 51 * (1, 4) * 2
    assert part.embeddings == pytest.approx(np.array([[1, 1, 1, 1, 4, 4, 4, 4]]) / 68**0.5, abs=1e-6)


def test_the_classifier_answers_for_a_face_without_a_template_too(
    stages: Any, pictures: pd.DataFrame, tmp_path: Path
) -> None:
    rows = run_part(pictures, tmp_path, stages(many_faces="refuse"), lambda: None).rows
    assert rows["prediction"].tolist() == ["female", "", "", "", "", "", "male"]
    assert rows["probability"].tolist()[0] == pytest.approx(0.8)
    assert rows["age"].tolist()[0] == pytest.approx(20)


def test_the_smallest_face_that_counts_is_a_setting(stages: Any, pictures: pd.DataFrame, tmp_path: Path) -> None:
    rows = run_part(pictures, tmp_path, stages(min_face_px=8, embeds=False), lambda: None).rows
    assert rows["outcome"].tolist()[3] == "ok"


def test_the_largest_and_the_most_central_of_several_faces_can_be_asked_for(
    stages: Any, tmp_path: Path, draw: Any
) -> None:
    picture = draw(green=200, quadrants=(0,))
    picture[24:32, 32:40] = (0, 0, 255)  # 8 pixels, nearer the centre
    cv2.imwrite(str(tmp_path / "both.png"), picture)
    both = manifest_of(["both.png"])
    boxes = {
        policy: run_part(
            both, tmp_path, stages(many_faces=policy, min_face_px=1, embeds=False), lambda: None
        ).rows.iloc[0]
        for policy in ("largest", "centre")
    }
    assert boxes["largest"][["x1", "y1", "x2", "y2"]].tolist() == pytest.approx([4, 4, 28, 28])
    assert boxes["centre"][["x1", "y1", "x2", "y2"]].tolist() == pytest.approx([32, 24, 40, 32])
    assert {row["policy"] for row in boxes.values()} == {"largest", "centre"}


def test_points_without_a_place_end_as_no_template(
    stages: Any, pictures: pd.DataFrame, tmp_path: Path, monkeypatch: Any
) -> None:
    def points_in_one_place(model: Detector, pictures: Any) -> list[Faces]:
        return [Faces(np.array([[4.0, 4, 28, 28]]), np.full((1, 5, 2), 9.0), np.array([0.9])) for _ in pictures]

    monkeypatch.setattr(find, "detect_each", points_in_one_place)
    part = run_part(pictures.iloc[:1], tmp_path, stages(), lambda: None)
    assert part.rows["outcome"].tolist() == ["no_template"]
    assert part.rows["prediction"].tolist() == ["female"]
    assert part.embeddings is not None
    assert len(part.embeddings) == 0


def test_time_is_kept_for_each_stage_that_an_image_reached(stages: Any, pictures: pd.DataFrame, tmp_path: Path) -> None:
    rows = run_part(pictures, tmp_path, stages(), lambda: None).rows
    spent = rows[[f"{stage}_ns" for stage in STAGES]] > 0
    assert spent.iloc[0].tolist() == [True] * 6 + [False]  # no quality model
    assert spent.iloc[1].tolist() == [True, True, True, False, False, False, False]  # no face
    assert spent.iloc[4].tolist() == [True, *[False] * 6]  # no image


def test_without_embedder_and_classifier_only_faces_are_found(
    stages: Any, pictures: pd.DataFrame, tmp_path: Path
) -> None:
    part = run_part(pictures, tmp_path, stages(embeds=False, classifies=False), lambda: None)
    assert part.embeddings is None
    assert set(part.rows["prediction"]) == {""}
    assert part.rows["outcome"].tolist()[-1] == "ok"


def test_each_part_in_todo_comes_once_with_its_own_rows(stages: Any, tmp_path: Path, draw: Any) -> None:
    for k in range(11):
        cv2.imwrite(str(tmp_path / f"{k}.png"), draw(green=20 * k + 10))
    seen: list[int] = []
    rows = manifest_of([f"{k}.png" for k in range(11)])
    parts = dict(
        run_parts(rows, tmp_path, stages(), workers=3, todo=[0, 2, 3], part_rows=3, on_image=lambda: seen.append(1))
    )
    assert {number: part.rows["row"].tolist() for number, part in parts.items()} == {
        0: [0, 1, 2],
        2: [6, 7, 8],
        3: [9, 10],
    }
    assert len(seen) == 8


def test_workers_give_the_same_rows_as_one(stages: Any, tmp_path: Path, draw: Any) -> None:
    for k in range(12):
        cv2.imwrite(str(tmp_path / f"{k}.png"), draw(green=20 * k + 5, red=10 * k))
    rows = manifest_of([f"{k}.png" for k in range(12)])
    one, three = (
        dict(run_parts(rows, tmp_path, stages(), workers=workers, todo=range(4), part_rows=3)) for workers in (1, 3)
    )
    timeless = [name for name in one[0].rows.columns if not name.endswith("_ns")]
    for number in range(4):
        pd.testing.assert_frame_equal(one[number].rows[timeless], three[number].rows[timeless])
        assert np.array_equal(one[number].embeddings, three[number].embeddings)


@pytest.mark.parametrize(("together", "most_bytes"), [(3, 10**9), (100, 10**9), (100, 20_000)])
def test_images_that_are_looked_at_together_are_each_as_if_alone(
    stages: Any, pictures: pd.DataFrame, tmp_path: Path, monkeypatch: Any, together: int, most_bytes: int
) -> None:
    def looked_at(together: int, most_bytes: int) -> tuple[str, bytes, int]:
        monkeypatch.setattr(pipeline, "TOGETHER", together)
        monkeypatch.setattr(pipeline, "TOGETHER_BYTES", most_bytes)
        done: list[None] = []
        part = run_part(pictures, tmp_path, stages(), lambda: done.append(None))
        timeless = [name for name in part.rows if not name.endswith("_ns")]
        return part.rows[timeless].to_csv(), np.asarray(part.embeddings).tobytes(), len(done)

    assert looked_at(together, most_bytes) == looked_at(1, 0)
    assert looked_at(together, most_bytes)[2] == len(pictures)


def test_workers_do_not_run_ahead_of_a_slow_reader(stages: Any, tmp_path: Path, monkeypatch: Any) -> None:
    begun: list[int] = []

    def quick(rows: Any, *_: Any) -> Part:
        begun.append(int(rows["row"].iloc[0]))
        return Part(rows, None)

    monkeypatch.setattr(pipeline, "run_part", quick)
    parts = run_parts(manifest_of(["a"] * 12), tmp_path, stages(), workers=2, todo=range(12), part_rows=1)
    for read, _ in enumerate(parts, start=1):
        time.sleep(0.005)  # long enough for idle workers to run ahead, if they could
        assert len(begun) <= read + 3  # two under way and one that waited
    assert sorted(begun) == list(range(12))


def test_an_error_in_one_part_ends_the_run_with_that_error(stages: Any, tmp_path: Path, monkeypatch: Any) -> None:
    started: list[int] = []

    def broken(rows: Any, *_: Any) -> Part:
        started.append(int(rows["row"].iloc[0]))
        raise ModelError("the model fails")

    monkeypatch.setattr(pipeline, "run_part", broken)
    with pytest.raises(ModelError, match="the model fails"):
        list(run_parts(manifest_of(["a"] * 50), tmp_path, stages(), workers=2, todo=range(50), part_rows=1))
    assert len(started) <= 4


def test_a_reader_that_stops_listening_ends_the_workers(stages: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(pipeline, "run_part", lambda rows, *_: Part(rows, None))
    parts = run_parts(manifest_of(["a"] * 50), tmp_path, stages(), workers=2, todo=range(50), part_rows=1)
    next(parts)
    parts.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("facegap_")]


def test_covariates_are_in_every_record_and_the_same_whatever_the_batch_and_the_workers(
    stages: Any, pictures: pd.DataFrame, tmp_path: Path
) -> None:
    columns = list(COVARIATES)
    cv2.imwrite(str(tmp_path / "ok.jpg"), cv2.imread(str(tmp_path / "ok.png")), [cv2.IMWRITE_JPEG_QUALITY, 40])
    rows = pd.concat([pictures, manifest_of(["ok.jpg"])], ignore_index=True)
    whole = run_part(rows, tmp_path, stages(), lambda: None).rows
    parts = dict(run_parts(rows, tmp_path, stages(), workers=3, todo=[0, 1, 2, 3], part_rows=2))
    split = pd.concat([parts[k].rows for k in range(4)], ignore_index=True)
    pd.testing.assert_frame_equal(whole[columns], split[columns], check_exact=True)
    known = whole.set_index("image")[columns].notna()
    assert known.loc["ok.png", ["inter_eye_px", "face_share", "template_norm"]].all()
    assert not known.loc[["text.png", "gone.png", "black.png"]].any().any()  # no image, or no face
    assert known["jpeg_quality"].tolist() == [False] * 7 + [True]
    assert whole["jpeg_quality"].iloc[-1] == 40
    assert not known.loc["blue.png", "template_norm"]  # zeros have no template
    assert known.loc["small.png", "inter_eye_px"]  # too small for a model, and still measured


def test_the_template_norm_is_the_length_of_what_the_embedder_gave(
    stages: Any, pictures: pd.DataFrame, tmp_path: Path
) -> None:
    made = stages()
    raw = raw_embeddings(made.embedder, [embed_crop(made, tmp_path / "ok.png")])
    rows = run_part(pictures, tmp_path, made, lambda: None).rows
    assert rows["template_norm"].iloc[0] == pytest.approx(float(np.sqrt((raw.astype(float) ** 2).sum())))


def embed_crop(made: Stages, path: Path) -> Any:
    """The aligned crop of the only face of a picture."""
    pixels = cv2.imread(str(path))
    assert made.detector is not None
    assert made.embedder is not None
    return look.embedder_crop(made.embedder, pixels, look.find_faces(made.detector, path.name, pixels).points[0])
