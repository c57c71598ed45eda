"""The dry run finds what graphs do not declare, before the first image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.errors import ModelError
from facegap.inputs.cards.graph import graph_facts
from facegap.inputs.cards.read import read_card
from facegap.runtime import open_session
from facegap.vision.classify import classifier
from facegap.vision.detect import detector
from facegap.vision.embed import Embedder, embed, embedder
from facegap.vision.rehearsal import (
    Remarks,
    agree,
    made_up,
    rehearse_classifier,
    rehearse_detector,
    rehearse_embedder,
)

EMBEDS = """
[alignment]
template = [[1, 1], [2, 1], [1.5, 1.5], [1, 2], [2, 2]]
interpolation = "bilinear"

[outputs.embedding]
output = "y"
dimension = {dimension}
"""
CROP = '[crop]\nmargin = 0.0\ninterpolation = "bilinear"\n'
GENDER = '[outputs.gender]\noutput = "y"\nkind = "{kind}"\nclasses = ["female", "male"]\n'
POOL: list[Any] = [("GlobalAveragePool", ["input"], ["pooled"], {}), ("Flatten", ["pooled"], ["flat"], {"axis": 1})]


@pytest.fixture
def means(tmp_path: Path, graphs: Any, card_writer: Any) -> Any:
    """An embedder that computes the means of three channels, `flat`, and applies further nodes."""

    def made(nodes: list[Any], *, batch: int = 8, dimension: int = 3, rank: bool = True, **constants: Any) -> Embedder:
        inputs = {"input": ("N", 3, 16, 16)}
        model = graphs.build([*POOL, *nodes], inputs=inputs, outputs={"y": ("M", dimension)}, constants=constants)
        card = card_writer(tmp_path, "toy", "embed", model, EMBEDS.format(dimension=dimension))
        return embedder(read_card(card), open_session(model, name="toy"), batch)

    return made


@pytest.fixture
def classifies(tmp_path: Path, graphs: Any, card_writer: Any) -> Any:
    """A classifier of the means of three channels; returns the result of its dry run."""

    def made(nodes: list[Any], kind: str, *, width: int = 2, verified: bool = False, **constants: Any) -> Remarks:
        inputs = {"input": ("N", 3, 16, 16)}
        model = graphs.build([*POOL, *nodes], inputs=inputs, outputs={"y": ("N", width)}, constants=constants)
        path = card_writer(tmp_path, "toy", "classify", model, CROP + GENDER.format(kind=kind))
        if not verified:
            path.write_text(path.read_text().replace("verified = true", "verified = false"))
        ready = classifier(read_card(path), open_session(model, name="toy"), 4)
        return rehearse_classifier(ready, graph_facts(model))[1]

    return made


def test_a_graph_that_takes_the_batch_keeps_it_without_a_word(means: Any) -> None:
    model, remarks = rehearse_embedder(means([("Identity", ["flat"], ["y"], {})]))
    assert model.rows_per_run == 8
    assert remarks == Remarks()


def test_a_batch_built_into_a_reshape_runs_one_by_one_with_a_notice(means: Any) -> None:
    model, remarks = rehearse_embedder(means([("Reshape", ["flat", "one"], ["y"], {})], one=np.array([1, 3])))
    assert model.rows_per_run == 1
    assert len(remarks.notices) == 1
    assert remarks.notices[0].startswith("card toy: runs with --batch 1: it fails with a batch of 8 (the model fails")
    rows = embed(model, [np.full((16, 16, 3), colour, np.uint8) for colour in ((0, 4, 3), (9, 0, 0))])
    assert rows == pytest.approx(np.array([[0.6, 0.8, 0], [0, 0, 1]]))  # red, green, blue


def test_a_reshape_that_moves_the_batch_into_the_values_is_found_too(means: Any) -> None:
    model, remarks = rehearse_embedder(means([("Reshape", ["flat", "one"], ["y"], {})], one=np.array([1, -1])))
    assert model.rows_per_run == 1
    assert (
        "fails with a batch of 8 (outputs.embedding.output: the output has shape (1, 24) for 8 faces"
        in remarks.notices[0]
    )


def test_a_graph_that_mixes_the_pictures_of_a_batch_runs_one_by_one(means: Any) -> None:
    nodes = [("ReduceMean", ["flat"], ["mean"], {"axes": [0], "keepdims": 1}), ("Sub", ["twice", "mean"], ["y"], {})]
    model, remarks = rehearse_embedder(means([("Add", ["flat", "flat"], ["twice"], {}), *nodes]))
    assert model.rows_per_run == 1
    assert "its outputs for a batch of 8 differ from those for single images" in remarks.notices[0]


def test_a_graph_that_fails_whatever_it_is_given_is_refused_with_its_operator(means: Any) -> None:
    with pytest.raises(
        ModelError, match=r"^toy: input: in a test run before the first image .*Reshape: .*export the model"
    ):
        rehearse_embedder(means([("Reshape", ["flat", "five"], ["y"], {})], five=np.array([5, 3])))


def test_the_dimension_that_would_fit_is_named(means: Any) -> None:
    with pytest.raises(ModelError, match=r"outputs\.embedding\.dimension: .* write dimension = 3"):
        rehearse_embedder(means([("Identity", ["flat"], ["y"], {})], dimension=64))


def test_an_embedder_that_gives_no_number_for_any_picture_is_refused(means: Any) -> None:
    nothing = [("Sub", ["flat", "many"], ["below"], {}), ("Sqrt", ["below"], ["y"], {})]
    with pytest.raises(
        ModelError, match=r"toy: outputs\.embedding: the model returns no finite number .*check input\.mean"
    ):
        rehearse_embedder(means(nothing, many=np.float32(1000)))


def test_no_number_for_some_pictures_is_no_error(means: Any) -> None:
    some = [("Sub", ["flat", "many"], ["below"], {}), ("Sqrt", ["below"], ["y"], {})]
    model, remarks = rehearse_embedder(means(some, many=np.float32(100)))  # NaN for the dark image
    assert (model.rows_per_run, remarks) == (8, Remarks())


def test_a_model_that_never_looks_at_the_picture_raises_an_alarm(means: Any) -> None:
    blind = [("Mul", ["flat", "zero"], ["nothing"], {}), ("Add", ["nothing", "always"], ["y"], {})]
    _, remarks = rehearse_embedder(means(blind, zero=np.float32(0), always=np.float32([1, 2, 3])))
    assert "returns the same output for noise, dark, light and coloured images; check" in remarks.alarms[0]


def test_the_size_of_a_graph_that_declares_none_is_found(tmp_path: Path, graphs: Any, card_writer: Any) -> None:
    nodes = [("Flatten", ["input"], ["flat"], {"axis": 1}), ("MatMul", ["flat", "weights"], ["y"], {})]
    weights = np.ones((3 * 96 * 96, 3), np.float32)
    model = graphs.build(
        nodes, inputs={"input": ("N", 3, "h", "w")}, outputs={"y": ("N", 3)}, constants={"weights": weights}
    )
    card = card_writer(tmp_path, "toy", "embed", model, EMBEDS.format(dimension=3), side=112)
    with pytest.raises(ModelError, match=r"the graph runs at 96 x 96; write input\.size = \[96, 96\]$"):
        rehearse_embedder(embedder(read_card(card), open_session(model, name="toy"), 8))


def test_rows_agree_up_to_rounding_and_in_what_is_no_number() -> None:
    rows = np.array([[1.0, np.nan], [100.0, 3.0]])
    assert agree(rows, rows * 1.001)
    assert not agree(rows, rows * 1.1)
    assert not agree(rows, np.nan_to_num(rows))


# ---- classifiers ----

TWO_OF: list[Any] = [("Gather", ["flat", "two"], ["values"], {"axis": 1})]


def test_logits_declared_as_a_softmax_are_refused_before_any_face(classifies: Any) -> None:
    with pytest.raises(ModelError, match=r'outputs\.gender\.kind: softmax needs .* write kind = "logits"'):
        classifies([*TWO_OF, ("Identity", ["values"], ["y"], {})], "softmax", two=np.array([0, 1]))


def test_a_softmax_is_taken_and_as_logits_noticed(classifies: Any) -> None:
    nodes = [*TWO_OF, ("Softmax", ["values"], ["raw"], {"axis": 1}), ("Identity", ["raw"], ["y"], {})]
    assert classifies(nodes, "softmax", two=np.array([0, 1])) == Remarks()
    remarks = classifies(nodes, "logits", two=np.array([0, 1]))
    assert remarks.alarms == ()
    assert (
        "ends in Softmax; kind logits applies a second one, which keeps the classes but flattens the probabilities; write"
        in remarks.notices[0]
    )


def test_a_linear_output_read_as_a_probability_raises_an_alarm_unless_the_card_is_verified(classifies: Any) -> None:
    nodes = [("MatMul", ["flat", "weights"], ["y"], {})]  # happens to stay within 0 and 1
    weights = np.float32([[0.001], [0.001], [0.001]])
    remarks = classifies(nodes, "probability_of", width=1, weights=weights)
    assert "kind probability_of needs probabilities, but the output 'y' ends in MatMul" in remarks.alarms[0]
    assert 'write kind = "logit"' in remarks.alarms[0]
    assert classifies(nodes, "probability_of", width=1, verified=True, weights=weights) == Remarks()


def test_a_logistic_function_read_as_a_logit_is_refused(classifies: Any) -> None:
    nodes = [("MatMul", ["flat", "weights"], ["raw"], {}), ("Sigmoid", ["raw"], ["y"], {})]
    with pytest.raises(
        ModelError, match=r'outputs\.gender\.kind: the graph ends in Sigmoid.* write kind = "probability_of"'
    ):
        classifies(nodes, "logit", width=1, weights=np.float32([[0.1], [0.1], [-0.2]]))


# ---- detectors ----

SCRFD = """
[detector]
decoder = "scrfd"
resize = "letterbox"
score_threshold = 0.5
nms_iou = 0.4
strides = [32]
points = false
"""


@pytest.mark.parametrize(("score", "fine"), [(0.9, True), (7.3, False), (-4.0, False)])
def test_scores_of_a_detector_must_be_probabilities(
    tmp_path: Path, graphs: Any, card_writer: Any, score: float, fine: bool
) -> None:
    model = graphs.answering({"440": np.full((4, 1), score), "450": np.ones((4, 4))})
    path = card_writer(tmp_path, "toy", "detect", model, SCRFD, side=64)
    ready = detector(read_card(path), open_session(model, name="toy"))
    if fine:
        rehearse_detector(ready)
    else:
        with pytest.raises(
            ModelError, match=r"toy: detector\.decoder: face scores must be probabilities from 0 to 1, but the graph"
        ):
            rehearse_detector(ready)


def test_pictures_are_made_up_the_same_way_every_time(means: Any) -> None:
    spec = means([("Identity", ["flat"], ["y"], {})]).card.input
    first, again = made_up(spec, 6), made_up(spec, 6)
    assert all((one == other).all() for one, other in zip(first, again, strict=True))
    assert (first[0] == first[4]).all()
    assert len({picture.mean() for picture in first[:4]}) == 4
