"""`--quality MODEL`: a quality model runs with the others, and an ambiguous name is an error."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.audit.quality_source import source_of_quality
from facegap.audit.run import recheck
from facegap.derive.balanced.covariates import covariates_of
from facegap.errors import CardError, ModelError, RunError, SettingError
from facegap.report.tested import title
from fixtures.settings import audited

PEOPLE = 8


@pytest.fixture(scope="module")
def pictures(draw: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of each of 8 people, whose red is 20 k + 10 shot; of person 3 one has no face."""
    folder = tmp_path_factory.mktemp("people")
    rows = []
    for k in range(PEOPLE):
        for shot in (0, 1):
            face = draw(green=30 * k, red=20 * k + 10 * shot, quadrants=() if (k, shot) == (3, 1) else (0,))
            cv2.imwrite(str(folder / f"{k}_{shot}.png"), face)
            rows.append((f"{k}_{shot}.png", str(k), ("female", "male")[k >= PEOPLE // 2]))
    pd.DataFrame(rows, columns=["image", "subject", "gender"]).to_csv(folder / "people.csv", index=False)
    return folder


def gated(pictures: Path, toys: Any, quality: str, **words: Any) -> Any:
    chosen = {"detect": toys.card("detector"), "embed": toys.card("embedder"), "threshold": 0.97, "by": "gender"}
    return audited(pictures / "people.csv", **{**chosen, "quality": quality, "min_subjects": 2, **words})


def test_a_model_says_the_quality_of_each_face_behind_the_walls_and_the_gate_uses_it(
    pictures: Path, toys: Any, tmp_path: Path
) -> None:
    """Of 15 qualities the gate may reject 3: the three darkest reds, all of women, of whom 7 images have a quality."""
    out = tmp_path / "run"
    run = gated(pictures, toys, toys.card("quality"), quality_discard=0.2, out=out, workers=1, no_isolation=False)
    expected = [np.nan if (k, shot) == (3, 1) else 20.0 * k + 10 * shot for k in range(PEOPLE) for shot in (0, 1)]
    assert run.faces["model_quality"].tolist() == pytest.approx(expected, abs=0.01, nan_ok=True)
    gate = run.extra["quality_gate.csv"].set_index("gender")
    assert set(gate["quality"]) == {"toy_quality"}
    assert gate["quality_threshold"].tolist() == pytest.approx([30.0] * 3, abs=0.01)
    assert gate["refused_errors"].to_dict() == {"any": 3, "female": 3, "male": 0}
    assert gate["refused_trials"].to_dict() == {"any": 15, "female": 7, "male": 8}
    assert gate["without_quality"].to_dict() == {"any": 1, "female": 1, "male": 0}
    assert run.record.models["quality"] == "toy_quality"
    assert run.record.request.cards["quality"]["sha256"] == run.record.execution.models["toy_quality"]
    assert set(run.record.execution.isolation) == {"toy_detector", "toy_embedder", "toy_quality"}
    assert run.record.timing.per_image["quality"].images == 15
    assert title(run) == "Embedder toy_embedder"
    assert "model_quality" not in covariates_of(run)
    assert recheck(out) == []
    with pytest.raises(RunError, match=r"differs in .*cards\.quality"):
        gated(pictures, toys, "sharpness", quality_discard=0.2, out=out, no_isolation=False, resume=True)


def test_a_quality_model_runs_on_aligned_crops_and_beside_a_detector_alone(
    pictures: Path, toys: Any, tmp_path: Path, draw: Any
) -> None:
    alone = audited(
        pictures / "people.csv",
        detect=toys.card("detector"),
        detect_only=True,
        quality=toys.card("quality"),
        by="gender",
    )
    assert alone.faces["model_quality"].notna().sum() == 15
    assert title(alone) == "Detector toy_detector, quality model toy_quality"
    for k in range(4):
        cv2.imwrite(str(tmp_path / f"{k}.png"), np.full((16, 16, 3), (255, 9, 50 * k), np.uint8))
    pd.DataFrame({"image": [f"{k}.png" for k in range(4)], "subject": list("abcd"), "gender": list("ffmm")}).to_csv(
        tmp_path / "people.csv", index=False
    )
    crops = audited(
        tmp_path / "people.csv",
        detect="aligned",
        embed=toys.card("embedder"),
        quality=toys.card("quality"),
        threshold=0.5,
        by="gender",
    )
    assert crops.faces["model_quality"].tolist() == [0, 50, 100, 150]


def test_a_quality_that_is_no_number_ends_the_audit_and_names_the_image(
    pictures: Path, toys: Any, graphs: Any, card_writer: Any, tmp_path: Path
) -> None:
    """The logarithm of red minus 25 is a number for the simulated images, and undefined for a face with a red below 25."""
    model = graphs.build(
        [
            ("GlobalAveragePool", ["input"], ["pooled"], {}),
            ("Flatten", ["pooled"], ["means"], {"axis": 1}),
            ("Gather", ["means", "first"], ["red"], {"axis": 1}),
            ("Sub", ["red", "least"], ["rest"], {}),
            ("Log", ["rest"], ["quality"], {}),
        ],
        inputs={"input": ("N", 3, 16, 16)},
        outputs={"quality": ("N", 1)},
        constants={"first": np.array([0]), "least": np.float32(25)},
    )
    tables = (toys.folder / "toy_quality.toml").read_text().split('dtype = "float32"\n')[1]
    card = card_writer(tmp_path, "log", "quality", model, tables)
    with pytest.raises(ModelError, match=r"log: outputs\.quality: the model returns nan for the face of '0_0\.png'"):
        gated(pictures, toys, str(card))


def test_what_a_word_may_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert source_of_quality("sharpness") == "measure"
    assert source_of_quality("ediffiqa_tiny") == "model"
    assert source_of_quality("my.ONNX") == source_of_quality("cards/q.toml") == "model"
    assert source_of_quality("q.csv") == source_of_quality("./qualities") == source_of_quality("/x/q") == "file"
    Path("sharpness").mkdir()  # the folder of an earlier run
    assert source_of_quality("sharpness") == "measure"
    Path("mine").write_text("image,quality\n")
    assert source_of_quality("mine") == "file"
    with pytest.raises(SettingError, match=r"--quality minne: not one of inter_eye_px.*ediffiqa_tiny;.*and not a file"):
        source_of_quality("minne")
    Path("ediffiqa_t").write_text("image,quality\n")
    with pytest.raises(
        SettingError, match=r"may be a model card or a file in this folder; write \./ediffiqa_t for the"
    ):
        source_of_quality("ediffiqa_t")
    Path("template_norm").write_text("image,quality\n")
    with pytest.raises(SettingError, match=r"may be a measure of facegap or a file in this folder; rename the file"):
        source_of_quality("template_norm")


def test_what_cannot_be_a_quality_model_is_refused_in_words(pictures: Path, toys: Any, tmp_path: Path) -> None:
    with pytest.raises(CardError, match="this model's task is detect, not quality; give it as --detect"):
        gated(pictures, toys, toys.card("detector"))
    with pytest.raises(SettingError, match="--quality-column x: selects a column of the --quality file"):
        gated(pictures, toys, toys.card("quality"), quality_column="x")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("image\n")
    text = (toys.folder / "toy_detector.toml").read_text()
    (tmp_path / "toy_detector.toml").write_text(text.replace("points = true", "points = false"))
    shutil.copy(toys.folder / "toy_detector.onnx", tmp_path)
    with pytest.raises(ModelError, match="returns boxes only, but --quality toy_quality needs five points"):
        audited(
            pictures / "people.csv",
            detect=str(tmp_path / "toy_detector.toml"),
            classify=toys.card("classifier"),
            quality=toys.card("quality"),
        )


@pytest.mark.real
def test_the_length_of_a_real_embedding_as_a_quality_model_is_the_template_norm(
    test_data: Path, tmp_path: Path
) -> None:
    """mobileface_v2 followed by the norm of its output is a quality model with one number per face."""
    import hashlib

    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(test_data / "models" / "mobileface_v2.onnx")
    name = model.graph.output[0].name
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    del model.graph.output[:]
    if opset >= 18:
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "length_axes"))
        node = helper.make_node("ReduceL2", [name, "length_axes"], ["length"], keepdims=1)
    else:
        node = helper.make_node("ReduceL2", [name], ["length"], axes=[1], keepdims=1)
    model.graph.node.append(node)
    model.graph.output.append(helper.make_tensor_value_info("length", TensorProto.FLOAT, ["N", 1]))
    content = model.SerializeToString()
    (tmp_path / "length.onnx").write_bytes(content)
    from facegap.inputs.cards.read import cards_folder

    text = (cards_folder() / "mobileface_v2.toml").read_text()
    card = text.split("[outputs.embedding]")[0] + '[outputs.quality]\noutput = "length"\n'
    kept = [line for line in card.splitlines() if not line.startswith(("source", "published_threshold", "size_bytes"))]
    changes = {
        "name": '"length"',
        "task": '"quality"',
        "file": '"length.onnx"',
        "sha256": f'"{hashlib.sha256(content).hexdigest()}"',
    }
    lines = [
        f"{key} = {changes[key]}" if (key := line.split(" = ")[0]) in changes and k < 12 else line
        for k, line in enumerate(kept)
    ]
    (tmp_path / "length.toml").write_text("\n".join(lines) + "\n")
    folder = test_data / "data" / "congress"
    members = pd.read_csv(folder / "members.csv", dtype=str).iloc[::60]
    members.assign(image=[str(folder / image) for image in members["image"]]).to_csv(tmp_path / "p.csv", index=False)
    run = audited(
        tmp_path / "p.csv",
        embed="mobileface_v2",
        quality=str(tmp_path / "length.toml"),
        models_dir=[test_data / "models"],
        allow_outside=True,
        threshold=0.3,
        by="gender",
    )
    assert len(run.faces) > 20
    np.testing.assert_allclose(run.faces["model_quality"], run.faces["template_norm"], rtol=1e-5)
