"""Models and cards of real auditors that do not fit each other: refused before the first image, or run as they are meant.

The folder cases holds each input with what it once gave and what is right.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.errors import FacegapError
from fixtures.settings import audited

pytestmark = pytest.mark.real
IMAGES = 12


@pytest.fixture
def case(test_data: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the audit that the README of a case states; what comes back, and what was said before the first image."""

    def run(name: str, **changes: Any) -> tuple[Any, list[str]]:
        folder = test_data / "cases" / name
        tasks = {"c": "classify", "e": "embed", "d": "detect"}
        asked: dict[str, Any] = {tasks[name[0]]: str(folder / f"{name}.toml"), "by": "gender", "min_subjects": 2}
        if name[0] == "e":
            asked["threshold"] = [0.9]
        if name[0] == "d":
            asked["classify"] = str(folder / "c_ref.toml")
        said: list[str] = []
        models = [test_data / "models"]
        asked |= {"models_dir": models, "images_dir": test_data / "cases" / "c_argmax", "notice": said.append} | changes
        found = audited(folder / "few.csv", **asked)
        return found, said

    return run


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("c_argmax", r'outputs\.gender\.kind: .*write kind = "index"'),
        ("c_logits_as_softmax", r'outputs\.gender\.kind: softmax needs .*write kind = "logits"'),
        ("c_string", r"outputs\.gender\.output: the output 'y' is text; facegap reads"),
        ("e_fp16_wrong", r'input\.dtype: the graph expects float16, .*write dtype = "float16"'),
        ("e_ir99", r"it has IR version 99, and onnxruntime [\d.]+ supports up to \d+"),
        ("e_phase", r"the graph has 2 inputs, .*'phase_train' \(bool\)"),
        ("e_prelu", r"test run before the first image .*PRelu: .*export the model again"),
        ("e_size", r"input\.size: the graph expects 112 x 112, .*write size = \[112, 112\]"),
    ],
)
def test_a_card_that_does_not_fit_is_refused_before_the_first_image(case: Any, name: str, words: str) -> None:
    seen: list[int] = []
    with pytest.raises(FacegapError, match=words) as caught:
        case(name, progress=lambda done, _: seen.append(done))
    assert not seen
    assert "::" not in str(caught.value)


def test_one_value_of_a_graph_without_a_logistic_function_raises_an_alarm(case: Any) -> None:
    run, said = case("c_onelogit")
    (alarm,) = [sentence for sentence in run.record.alarms if "kind probability_of" in sentence]
    assert 'write kind = "logit"' in alarm
    assert alarm in said


def test_a_detector_without_points_finds_every_face_for_a_classifier(case: Any) -> None:
    run, _ = case("d_nokps")
    assert run.faces["outcome"].tolist() == ["ok"] * IMAGES
    assert run.faces["nose_x"].isna().all()


def test_a_batch_built_into_the_graph_is_gone_round_with_a_notice_that_is_recorded(case: Any) -> None:
    run, said = case("e_baked")
    one_by_one, nothing = case("e_baked", batch=1)
    (notice,) = [sentence for sentence in said if "runs with --batch 1" in sentence]
    assert notice in run.record.warnings
    assert notice in run.record.execution.notes
    assert not nothing
    assert np.array_equal(run.embeddings, one_by_one.embeddings)


def test_an_input_of_undeclared_shape_runs(case: Any) -> None:
    run, said = case("e_noshape")
    reference, _ = case("e_baked", batch=1)  # the same weights
    assert not said
    assert run.embeddings.shape == (IMAGES, 64)
    assert np.allclose(run.embeddings, reference.embeddings, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "in_scalar",
            r"input\.layout: the graph's input 'x' is declared as a single number",
        ),
        ("out_sequence", r"outputs\.gender\.output: the output 'y' is a sequence of float32"),
        ("out_none", r"outputs\.gender\.output: the output 'y' is an optional value of float32"),
        ("out_bf16", r"outputs\.gender\.output: the output 'y' is bfloat16"),
    ],
)
def test_hostile_ports_are_one_error_before_the_first_image(test_data: Path, name: str, words: str) -> None:
    folder = test_data / "cases"
    with pytest.raises(FacegapError, match=words):
        audited(
            folder / "c_argmax" / "few.csv",
            classify=str(folder / "security" / f"{name}.toml"),
            models_dir=[test_data / "models"],
            by="gender",
        )
