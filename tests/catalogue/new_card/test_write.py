"""`facegap card new` reads what the graph states, marks the rest as guessed, and writes a valid card."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from facegap.catalogue.new_card.guesses import Entry
from facegap.catalogue.new_card.write import known_card, lines_of, write_card
from facegap.cli import app
from facegap.errors import CardError, ModelError
from facegap.inputs.cards.read import load_cards, read_card
from facegap.inputs.cards.weights import find_weights

POOL: list[Any] = [("GlobalAveragePool", ["input"], ["pooled"], {}), ("Flatten", ["pooled"], ["flat"], {"axis": 1})]


@pytest.fixture
def weights(tmp_path: Path, graphs: Any) -> Any:
    """A model that computes the means of three channels and applies further nodes; outputs are name -> width."""

    def made(
        nodes: list[Any], outputs: dict[str, int], *, side: int = 112, shape: Any = None, **constants: Any
    ) -> Path:
        inputs = {"input": shape or ("N", 3, side, side)}
        shapes = {name: ("N", width) for name, width in outputs.items()}
        model = graphs.build([*POOL, *nodes], inputs=inputs, outputs=shapes, constants=constants)
        path = tmp_path / "model_final.onnx"
        path.write_bytes(model)
        return path

    return made


def matrix(width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(3, width)).astype(np.float32)


def times(name: str, output: str) -> tuple[Any, ...]:
    return ("MatMul", ["flat", name], [output], {})


def test_a_long_list_of_numbers_is_an_embedding(weights: Any) -> None:
    path = weights([times("w", "vector")], {"vector": 128}, w=matrix(128))
    written = write_card(path)
    card = read_card(path.with_suffix(".toml"))
    assert (written.path, written.task, card.name) == (path.with_suffix(".toml"), "embed", "model_final")
    assert card.input is not None
    assert (card.input.name, card.input.layout, card.input.size) == ("input", "NCHW", (112, 112))
    assert card.outputs.embedding is not None
    assert (card.outputs.embedding.output, card.outputs.embedding.dimension) == ("vector", 128)
    assert card.alignment is not None
    assert card.alignment.template[0] == (38.2946, 51.6963)
    assert find_weights(card, [], path) == path


def test_guesses_are_marked_in_the_card_and_facts_are_not(weights: Any) -> None:
    written = write_card(weights([times("w", "vector")], {"vector": 128}, w=matrix(128)))
    lines = written.path.read_text("utf-8").splitlines()
    for key in ("colour", "mean", "scale"):
        assert f"input.{key}" in written.guesses
        line = next(k for k, text in enumerate(lines) if text.startswith(f"{key} = "))
        assert "GUESSED: " in lines[line] + lines[line - 1]
    for key in ("size", "layout", "dtype", "dimension"):
        assert "GUESSED" not in next(text for text in lines if text.startswith(f"{key} = "))
    assert any("facegap doctor model_final.toml" in line for line in lines)


def test_two_probabilities_are_a_gender_whose_order_is_a_guess(weights: Any) -> None:
    nodes = [times("w", "raw"), ("Softmax", ["raw"], ["y"], {"axis": 1})]
    card = read_card(write_card(weights(nodes, {"y": 2}, w=matrix(2))).path)
    assert card.outputs.gender is not None
    assert (card.outputs.gender.kind, card.outputs.gender.classes) == ("softmax", ("male", "female"))


def test_the_last_operator_tells_logit_probability_and_index_apart(weights: Any) -> None:
    sigmoid = [times("w", "raw"), ("Sigmoid", ["raw"], ["gender"], {})]
    card = read_card(write_card(weights(sigmoid, {"gender": 1}, w=matrix(1))).path)
    assert card.outputs.gender is not None
    assert card.outputs.gender.kind == "probability_of"


def test_names_say_which_output_is_the_age(weights: Any) -> None:
    nodes = [times("w", "gender"), times("v", "age"), times("u", "race")]
    card = read_card(
        write_card(weights(nodes, {"race": 7, "gender": 2, "age": 9}, w=matrix(2), v=matrix(9), u=matrix(7))).path
    )
    assert card.outputs.gender is not None
    assert card.outputs.age is not None
    assert (card.outputs.gender.output, card.outputs.gender.kind) == ("gender", "logits")
    assert (card.outputs.age.output, card.outputs.age.bins[-1]) == ("age", "70+")


def test_a_softmax_over_a_hundred_and_one_values_is_an_expected_age(weights: Any) -> None:
    nodes = [times("w", "raw"), ("Softmax", ["raw"], ["y"], {"axis": 1})]
    card = read_card(write_card(weights(nodes, {"y": 101}, w=0.01 * matrix(101))).path)
    assert card.task == "classify"
    assert card.outputs.age is not None
    assert (card.outputs.age.kind, card.outputs.age.values) == ("expectation", "softmax")


def test_a_graph_that_scales_pixels_itself_is_fed_0_to_255(tmp_path: Path, graphs: Any) -> None:
    nodes = [
        ("Sub", ["input", "mean"], ["centred"], {}),
        ("GlobalAveragePool", ["centred"], ["pooled"], {}),
        ("Flatten", ["pooled"], ["flat"], {"axis": 1}),
        times("w", "vector"),
    ]
    model = graphs.build(
        nodes,
        inputs={"input": ("N", 3, 112, 112)},
        outputs={"vector": ("N", 64)},
        constants={"mean": np.float32(127.5), "w": matrix(64)},
    )
    (tmp_path / "own.onnx").write_bytes(model)
    card = read_card(write_card(tmp_path / "own.onnx").path)
    assert card.input is not None
    assert (card.input.mean, card.input.scale) == ((0, 0, 0), (1, 1, 1))


def test_an_open_size_is_the_first_that_goes_through_and_a_guess(weights: Any) -> None:
    written = write_card(weights([times("w", "vector")], {"vector": 64}, shape=("N", 3, "h", "w"), w=matrix(64)))
    card = read_card(written.path)
    assert card.input is not None
    assert card.input.size == (112, 112)
    assert "input.size" in written.guesses


def test_maps_of_one_anchor_without_points_are_scrfd(tmp_path: Path, graphs: Any) -> None:
    heads = {f"{stride}_{width}": np.zeros(((64 // stride) ** 2, width)) for stride in (8, 16) for width in (1, 4)}
    (tmp_path / "finder.onnx").write_bytes(graphs.answering(heads))
    card = read_card(write_card(tmp_path / "finder.onnx").path)
    assert card.detector is not None
    assert (card.detector.decoder, card.detector.strides, card.detector.points) == ("scrfd", (8, 16), False)


@pytest.mark.parametrize("task", [None, "embed"])
def test_outputs_in_no_known_form_are_named(weights: Any, task: Any) -> None:
    path = weights([times("w", "mood")], {"mood": 7}, w=matrix(7))
    with pytest.raises(ModelError, match=r"its outputs are 'mood' \(2, 7\): (no faces, no emb|nothing for task embed)"):
        write_card(path, task=task)
    assert not path.with_suffix(".toml").exists()


def test_two_possible_tasks_ask_for_one(weights: Any) -> None:
    nodes = [times("w", "vector"), times("v", "gender")]
    path = weights(nodes, {"vector": 128, "gender": 2}, w=matrix(128), v=matrix(2))
    with pytest.raises(ModelError, match="may embed or classify; specify which with --task"):
        write_card(path)
    assert write_card(path, task="classify").task == "classify"


def test_a_file_that_is_there_is_kept(weights: Any) -> None:
    path = weights([times("w", "vector")], {"vector": 64}, w=matrix(64))
    path.with_suffix(".toml").write_text("mine")
    with pytest.raises(CardError, match="the file already exists and is kept"):
        write_card(path)
    assert path.with_suffix(".toml").read_text() == "mine"
    with pytest.raises(CardError, match=r"the file name of a card must end in \.toml; choose another file with --out"):
        write_card(path, out=path.with_suffix(".json"))
    with pytest.raises(CardError, match="no folder"):
        write_card(path, out=path.parent / "none" / "a.toml")


def test_a_name_that_no_card_can_hold_is_refused_with_the_key(weights: Any) -> None:
    path = weights([times("w", "vector")], {"vector": 64}, w=matrix(64))
    odd = path.rename(path.with_name("model (1).onnx"))
    with pytest.raises(CardError, match=r"key file: must be a file name ending in \.onnx"):
        write_card(odd)


def test_a_long_reason_stands_above_its_key() -> None:
    assert lines_of(Entry("a", 1, "why")) == ["a = 1  # why"]
    assert lines_of(Entry("a", 1, "w" * 120, guessed=True)) == ["# GUESSED: " + "w" * 120, "a = 1"]


def test_a_known_file_under_another_name_is_recognised(tmp_path: Path) -> None:
    own = next(card for card in load_cards().values() if card.name == "demo_gender_skewed")
    path = find_weights(own, [])
    assert path is not None
    renamed = Path(shutil.copy(path, tmp_path / "best.onnx"))
    assert known_card(renamed) == own
    result = CliRunner().invoke(app, ["card", "new", str(renamed)])
    assert result.exit_code == 0
    assert "is demo_gender_skewed (classify, licence" in result.output
    assert not renamed.with_suffix(".toml").exists()


def test_the_command_names_the_guesses_and_the_next_steps(weights: Any) -> None:
    path = weights([times("w", "vector")], {"vector": 64}, w=matrix(64))
    result = CliRunner().invoke(app, ["card", "new", str(path)])
    assert result.exit_code == 0
    assert "These keys are GUESSED" in result.output
    assert "input.colour" in result.output
    assert f"facegap doctor {path.with_suffix('.toml')}" in result.output


@pytest.mark.real
@pytest.mark.parametrize(
    "name",
    [
        "yunet",
        "yunet_dynamic",
        "ultraface_rfb_320",
        "face_reid_0095",
        "mobileface_v2",
        "faceapi_age_gender",
        "mini_xception_gender",
        "ssrnet_gender_imdb",
    ],
)
def test_what_the_graphs_of_real_models_say_is_what_their_cards_say(test_data: Path, tmp_path: Path, name: str) -> None:
    own = load_cards()[name]
    path = find_weights(own, [test_data / "models"])
    assert path is not None
    found = read_card(write_card(path, out=tmp_path / f"{path.stem}.toml").path)
    assert own.input is not None
    assert found.input is not None
    assert found.task == own.task
    for key in ("layout", "size", "dtype", "dynamic"):
        assert getattr(found.input, key) == getattr(own.input, key), key
    if own.detector is not None:
        assert found.detector is not None
        assert (found.detector.decoder, found.detector.strides, found.detector.points) == (
            own.detector.decoder,
            own.detector.strides,
            own.detector.points,
        )
    if own.outputs.embedding is not None:
        assert found.outputs.embedding is not None
        assert found.outputs.embedding.dimension == own.outputs.embedding.dimension
    if own.outputs.gender is not None and name != "ssrnet_gender_imdb":  # a single number is read as an age
        assert found.outputs.gender is not None
        assert found.outputs.gender.kind == own.outputs.gender.kind


def test_one_number_is_a_quality_where_the_file_says_so_or_the_task_is_named(weights: Any) -> None:
    path = weights([times("w", "y")], {"y": 1}, w=matrix(1))
    assert write_card(path, out=path.with_name("age.toml")).task == "classify"
    card = read_card(write_card(path, task="quality").path)
    assert card.outputs.quality is not None
    assert (card.outputs.quality.output, card.crop) == ("y", None)
    assert card.alignment is not None
    assert (card.input.mean, card.input.colour) == ((127.5,) * 3, "RGB") if card.input else False
    named = Path(shutil.copy(path, path.with_name("my_fiqa.onnx")))
    path.with_suffix(".toml").unlink()
    path.with_name("age.toml").unlink()
    written = write_card(named)
    assert (written.task, "outputs.quality.output" in written.guesses) == ("quality", True)


def test_several_numbers_are_no_quality(weights: Any) -> None:
    path = weights([times("w", "y"), times("v", "z")], {"y": 1, "z": 1}, w=matrix(1), v=matrix(1, 1))
    with pytest.raises(ModelError, match="nothing for task quality"):
        write_card(path, task="quality")
