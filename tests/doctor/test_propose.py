"""Possible cards of a graph without one, the searched settings, and the text of the card."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap import runtime
from facegap.doctor.alternatives import TEMPLATES, Variant, given_input, given_template, placed_points, variants
from facegap.doctor.evidence import Evaluation, SettingResult
from facegap.doctor.graph import Graph, is_list, read_graph
from facegap.doctor.propose import Bare, answers_of, best_first, choose, describe, exchanged, first_cards, grid
from facegap.doctor.proposed_card import card_text
from facegap.doctor.sample import MEASURES, Question
from facegap.doctor.trials import Found
from facegap.errors import CardError, ModelError
from facegap.inputs.cards.read import load_cards, read_card
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.write import toml


def graph_of(graphs: Any, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> Graph:
    """A graph with constant outputs, read."""
    given = outputs or {"out": np.zeros((1, 64))}
    constants = {f"{name}_value": np.asarray(value, np.float32) for name, value in given.items()}
    nodes = [("Identity", [f"{name}_value"], [name], {}) for name in given]
    model = graphs.build(
        nodes, inputs=inputs, outputs={name: np.shape(value) for name, value in given.items()}, constants=constants
    )
    return read_graph(runtime.open_session(model, name="toy"), "toy.onnx")


def bare(name: str = "toy.onnx") -> Bare:
    return Bare(Path("folder") / name, b"weights", "ab" * 32)


def plain_graph(channels: int = 3, **outputs: Any) -> Graph:
    return Graph("input", "NCHW", channels, (112, 112), "float32", {name: np.asarray(v) for name, v in outputs.items()})


NOISE = np.random.default_rng(0).random((2, 512)) * 10


# ---- the graph ----


@pytest.mark.parametrize(
    ("shape", "layout", "channels", "size"),
    [
        ((1, 3, 112, 96), "NCHW", 3, (96, 112)),
        ((1, 64, 64, 1), "NHWC", 1, (64, 64)),
        ((1, 64, 48, 3), "NHWC", 3, (48, 64)),
    ],
)
def test_layout_channels_and_size_are_the_graph_s_own(
    graphs: Any, shape: tuple[int, ...], layout: str, channels: int, size: tuple[int, int]
) -> None:
    found = graph_of(graphs, {"input": shape})
    assert (found.layout, found.channels, found.size) == (layout, channels, size)


def test_a_free_size_is_the_first_that_the_graph_takes(graphs: Any) -> None:
    model = graphs.build(
        [
            ("GlobalAveragePool", ["input"], ["pooled"], {}),
            ("Flatten", ["pooled"], ["means"], {"axis": 1}),
        ],
        inputs={"input": ("N", 3, "h", "w")},
        outputs={"means": ("N", 3)},
    )
    found = read_graph(runtime.open_session(model, name="toy"), "toy.onnx")
    assert (found.size, found.free_size) == ((112, 112), True)
    assert found.outputs["means"].shape == (2, 3)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"a": (1, 3, 8, 8), "b": (1, 3, 8, 8)}, r"2 inputs \('a', 'b'\)"),
        ({"a": (1, 3)}, "images must be a batch"),
        ({"a": (1, 4, 8, 8)}, "axis 1 or axis 3 of the input's shape"),
        ({"a": (1, 3, 8, 3)}, "axis 1 or axis 3 of the input's shape"),
        ({"a": (4, 3, 8, 8)}, "accepts exactly 4 images per call"),
    ],
)
def test_graphs_that_take_no_faces_are_refused(graphs: Any, inputs: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        graph_of(graphs, inputs)


@pytest.mark.parametrize(
    ("shape", "faces", "expected"),
    [
        ((2, 512), 2, True),
        ((2, 512, 1, 1), 2, True),
        ((2,), 2, True),
        ((2, 1, 1, 256), 2, True),
        ((1, 4420, 2), 1, False),
        ((1, 64, 1), 1, False),
        ((12800, 1), 1, False),
        ((2, 8, 7, 7), 2, False),
        ((2, 10_000), 2, False),
    ],
)
def test_a_list_of_numbers_per_face_is_distinguished_from_a_detector_s_maps(
    shape: tuple[int, ...], faces: int, expected: bool
) -> None:
    assert is_list(np.zeros(shape), faces) is expected


def test_outputs_of_a_detector_are_named_with_their_shapes(graphs: Any) -> None:
    with pytest.raises(
        ModelError, match=r"'scores' \(1, 40, 2\), 'boxes' \(1, 40, 4\), which are those of a detector or maps"
    ):
        graph_of(graphs, {"input": (1, 3, 8, 8)}, {"scores": np.zeros((1, 40, 2)), "boxes": np.zeros((1, 40, 4))})


# ---- what outputs can mean ----


@pytest.mark.parametrize(
    ("values", "question", "expected"),
    [
        ([[0.3, 0.7], [0.9, 0.1]], None, {"gender": "softmax"}),
        ([[0.3, 0.9], [0.9, 0.3]], None, {"gender": "logits"}),
        ([[-3.0, 2.0]], None, {"gender": "logits"}),
        ([[0.2], [0.8]], None, {"gender": "probability_of"}),
        ([[31.0], [24.0]], None, {}),
        ([[31.0], [24.0]], "age", {"age": "years"}),
        ([[-1.0, 2.0, 0.3]], None, {"gender": "logits"}),
        ([[-1.0, 2.0, 0.3]], "age", {"age": "years"}),
        (NOISE, None, {}),
    ],
)
def test_narrow_outputs_are_read_by_their_numbers(
    values: Any, question: Question | None, expected: dict[str, str]
) -> None:
    assert {key: table["kind"] for key, table in answers_of(np.asarray(values), question).items()} == expected


def test_every_reading_of_the_outputs_is_a_card_of_its_own() -> None:
    found = first_cards(bare(), plain_graph(a=NOISE, b=NOISE[:, :128]), task=None, question=None)
    assert [card.outputs.embedding.dimension for card in found if card.outputs.embedding] == [512, 128]


def test_the_task_must_be_given_if_outputs_fit_an_embedder_and_a_classifier() -> None:
    both = plain_graph(features=NOISE, gender=np.array([[0.3, 0.7], [0.9, 0.1]]))
    with pytest.raises(ModelError, match="specify which with --task"):
        first_cards(bare(), both, task=None, question=None)
    assert first_cards(bare(), both, task="classify", question=None)[0].outputs.gender is not None
    assert first_cards(bare(), both, task="embed", question=None)[0].outputs.embedding is not None


def test_unknown_outputs_are_named_in_the_error() -> None:
    with pytest.raises(ModelError, match=r"'out' \(7 values\): no embedding and no gender or age among them"):
        first_cards(bare(), plain_graph(out=np.zeros((2, 7))), task=None, question=None)
    with pytest.raises(ModelError, match="no classify among them"):
        first_cards(bare(), plain_graph(out=NOISE), task="classify", question=None)


def test_a_file_name_that_is_invalid_on_a_card_is_rejected() -> None:
    with pytest.raises(CardError, match=r"a card cannot describe it: file: .*rename the file"):
        first_cards(bare("two words.onnx"), plain_graph(out=NOISE), task=None, question=None)


def test_the_grid_crosses_colour_scale_and_place() -> None:
    embeds = grid(first_cards(bare(), plain_graph(out=NOISE), task=None, question=None))
    assert len(embeds) == 2 * 5 * 3  # two templates and the plain box
    classifies = grid(first_cards(bare(), plain_graph(out=np.array([[-3.0, 2.0]])), task=None, question=None))
    assert len(classifies) == 2 * 5 * 4
    grey = grid(first_cards(bare(), plain_graph(1, out=np.array([[-3.0, 2.0]])), task=None, question=None))
    assert len(grey) == 3 * 4
    for found in (embeds, classifies, grey):
        assert len({(one.card.model_dump_json(), one.box_margin) for one in found}) == len(found)


# ---- the choice and its card ----


def evaluation(question: Question, values: list[float], tried: list[Variant]) -> Evaluation:
    """Settings with these values; those that differ from the first by less than 1 are within noise of it."""
    lower = MEASURES[question].lower
    better = [(values[0] - value) if lower else (value - values[0]) for value in values]
    settings = tuple(
        SettingResult(one, value, gain, gain - 1, gain + 1, 0.5, 1.0, 0.1, 0, "within noise of the card")
        if not abs(gain) >= 1
        else SettingResult(one, value, gain, gain - 0.1, gain + 0.1, 0.0, 0.0, 0.1, 0, "clearly worse than the card")
        for one, value, gain in zip(tried, values, better, strict=True)
    )
    return Evaluation(MEASURES[question], settings, 40, 80, "holds")


def answered(count: int, answers: list[Any] | None = None) -> Found:
    return Found(("ok",), tuple(np.asarray(said) for said in answers or [[k] for k in range(count)]))


def test_settings_that_are_mostly_wrong_are_searched_with_their_classes_exchanged() -> None:
    tried = grid(first_cards(bare(), plain_graph(out=np.array([[-3.0, 2.0]])), task=None, question=None))
    values = [0.5] * len(tried)
    values[7], values[9] = 0.08, 0.85
    answers: list[Any] = [["female", "male", ""]] * len(tried)
    found, settings = exchanged(evaluation("gender", values, tried), answered(len(tried), answers), tried)
    assert found.answers[7].tolist() == ["male", "female", ""]
    assert found.answers[9].tolist() == ["female", "male", ""]
    genders = [settings[k].card.outputs.gender for k in (7, 9)]
    assert [gender.classes for gender in genders if gender] == [("male", "female"), ("female", "male")]


def test_the_best_setting_that_a_card_can_express_comes_first_with_its_answers() -> None:
    tried = grid(first_cards(bare(), plain_graph(out=NOISE), task=None, question=None))
    box = next(k for k, one in enumerate(tried) if one.box_margin is not None)
    values = [1.0] * len(tried)
    values[1], values[box], values[3] = float("nan"), 5.0, 2.0
    found, settings = best_first(evaluation("identity", values, tried), answered(len(tried)), tried)
    assert settings[0] is tried[3]
    assert [int(said[0]) for said in found.answers][:4] == [3, 0, 1, 2]
    assert len(settings) == len(tried)


def test_fewer_years_are_the_better_choice() -> None:
    tried = grid(first_cards(bare(), plain_graph(out=np.array([[30.0]])), task=None, question="age"))
    values = [20.0 + k for k in range(len(tried))]
    values[4] = 3.0
    _, settings = best_first(evaluation("age", values, tried), answered(len(tried)), tried)
    assert settings[0] is tried[4]


def test_no_setting_with_an_answer_is_an_error() -> None:
    tried = grid(first_cards(bare(), plain_graph(out=NOISE), task=None, question=None))
    with pytest.raises(ModelError, match="no setting gives outputs that can be evaluated"):
        best_first(evaluation("identity", [float("nan")] * len(tried), tried), answered(len(tried)), tried)


def setting(tried: list[Variant], colour: str, scale: float, points: str) -> int:
    """Index in a grid of a colour order, a factor and a template."""
    wanted = placed_points(TEMPLATES[points], 112, 112)
    return next(
        k
        for k, one in enumerate(tried)
        if one.box_margin is None
        and (given_input(one.card).colour, given_input(one.card).scale[0]) == (colour, scale)
        and given_input(one.card).mean[0] in (0, 127.5)
        and np.allclose(given_template(one.card), wanted)
    )


def test_of_settings_without_a_significant_difference_the_published_one_is_chosen() -> None:
    """As for mobileface_v2: the Open Model Zoo's template is slightly better than ArcFace's, which its authors use."""
    tried = grid(first_cards(bare(), plain_graph(out=NOISE), task=None, question=None))
    best, usual = setting(tried, "RGB", 1.0, "Open Model Zoo"), setting(tried, "RGB", 1.0, "ArcFace")
    settings = [tried[best], tried[usual], *(one for k, one in enumerate(tried) if k not in (best, usual))]
    chosen = choose(evaluation("identity", [6.7, 6.6] + [0.5] * (len(tried) - 2), settings))
    assert chosen.card == tried[usual].card
    assert "2 combinations do not differ significantly from the best" in chosen.remark
    assert "ArcFace and related models, scaled inside the graph" in chosen.remark


def test_a_published_setting_worse_by_the_margin_is_not_chosen_even_within_noise() -> None:
    tried = grid(first_cards(bare(), plain_graph(out=NOISE), task=None, question=None))
    best, usual = setting(tried, "RGB", 1.0, "Open Model Zoo"), setting(tried, "RGB", 1.0, "ArcFace")
    settings = [tried[best], tried[usual], *(one for k, one in enumerate(tried) if k not in (best, usual))]
    chosen = choose(evaluation("identity", [6.7, 6.2] + [0.5] * (len(tried) - 2), settings))
    assert chosen.card == tried[best].card


def test_a_card_cannot_express_a_plain_box_and_the_remark_says_so() -> None:
    tried = grid(first_cards(bare(), plain_graph(out=NOISE), task=None, question=None))
    box = next(k for k, one in enumerate(tried) if one.box_margin is not None)
    values = [1.0] * len(tried)
    values[0], values[box] = 3.0, 5.0
    chosen = choose(evaluation("identity", values, tried))
    assert chosen.card == tried[0].card
    assert "The card of an embedder cannot express 'no alignment'" in chosen.remark


@pytest.mark.parametrize("name", ["mobileface_v2", "face_reid_0095", "mini_xception_gender", "genderage", "fairface"])
def test_every_card_comes_back_from_its_text(name: str, tmp_path: Path) -> None:
    values = load_cards()[name].model_dump(exclude_none=True, exclude_defaults=True) | {
        "obtain": "By hand.",
        "size_bytes": 7,
    }
    values.pop("source", None)
    values.pop("published_threshold", None)
    card = ModelCard.model_validate(values)
    tried = list(variants(card))
    text = card_text(card, evaluation("identity", [2.0] * len(tried), tried), detector="yunet", at="2025-01-02")
    (tmp_path / f"{name}.toml").write_text(text)
    assert read_card(tmp_path / f"{name}.toml") == card
    assert "no significant difference" in text


def test_a_name_in_the_graph_cannot_break_out_of_the_card() -> None:
    name = 'out"\nlicence = "MIT'
    found = first_cards(bare(), plain_graph(**{name: NOISE}), task=None, question=None)
    tried = list(variants(found[0]))
    with_name = evaluation("identity", [2.0] * len(tried), tried)
    text = card_text(found[0], with_name, detector="yunet", at="2025-01-02")
    assert tomllib.loads(text)["licence"] == "unknown"
    assert tomllib.loads(text)["outputs"]["embedding"]["output"] == name


@pytest.mark.parametrize("value", ["plain", 'a "quoted" one', "back\\slash", "ümlaut \U0001f600", "tab\tand\nline"])
def test_texts_are_written_as_toml_reads_them(value: str) -> None:
    assert tomllib.loads(f"key = {toml(value)}")["key"] == value


def test_settings_are_described_in_one_line() -> None:
    (card, *_) = first_cards(bare(), plain_graph(out=NOISE), task=None, question=None)
    assert describe(card) == "RGB, mean 0 0 0, scale 1 1 1, its template"
    assert describe(card, 0.0) == "RGB, mean 0 0 0, scale 1 1 1, box with margin 0"
