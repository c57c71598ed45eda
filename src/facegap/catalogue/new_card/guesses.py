"""Guess what a card must state and a graph does not, from shapes, names and conventions, with the reason for each guess."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facegap.catalogue.new_card.inspected import Inspected
from facegap.errors import ModelError
from facegap.inputs.cards.conventions import ARCFACE_POINTS, IMAGENET_MEAN, IMAGENET_SCALE
from facegap.inputs.cards.schema import Task
from facegap.types import AnyArray
from facegap.vision.kinds import SUM_SLACK

LEAST_DIMENSION = 32  # shorter outputs are not embeddings
STRIDES = (8, 16, 32, 64, 128)
FAIRFACE_BINS = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")
ADIENCE_BINS = ("0-2", "4-6", "8-12", "15-20", "25-32", "38-43", "48-53", "60+")
MOST_BINS, MOST_AGES = 60, 130  # age groups; single years
GENDERAGE_SIDE = 96
GENDERS = ("male", "female")
PAPERS_ORDER = "FairFace has the outputs race (7), gender (2) and age (9) in this order"


@dataclass(frozen=True)
class Entry:
    """One key of a card; `reason` is the origin of its value, and `guessed` means that the graph does not give it."""

    key: str
    value: Any
    reason: str = ""
    guessed: bool = False


Tables = dict[str, list[Entry]]


def tables_of(inspected: Inspected, model: str, task: Task | None) -> tuple[Task, Tables]:
    """Return the task, and the tables of a card below its head.

    Raises
    ------
    ModelError : If no task fits the outputs, or several do and none is specified.
    """
    possible: dict[Task, Tables] = {}
    if heads := detector_table(inspected):
        possible["detect"] = {"detector": heads}
    else:
        if embeddings := embedding_table(inspected):
            possible["embed"] = {"alignment": alignment(inspected), "outputs.embedding": embeddings}
        if answers := answer_tables(inspected):
            possible["classify"] = {"crop": crop(), **answers}
        if quality := quality_table(inspected):
            possible["quality"] = {"alignment": alignment(inspected), "outputs.quality": quality}
            if "classify" in possible and named_quality(inspected, model):
                del possible["classify"]
            elif task is None and len(possible) > 1:  # a single number is usually an age or a gender, not a quality
                del possible["quality"]
    if task is None and len(possible) > 1:
        raise ModelError(f"{model}: {listed(inspected)}: this may {' or '.join(possible)}; specify which with --task")
    chosen = task or next(iter(possible), None)
    if chosen is None or chosen not in possible:
        missing = f"nothing for task {task}" if task else "no faces, no embedding, no gender, no age and no quality"
        raise ModelError(
            f"{model}: {listed(inspected)}: {missing} in a form that a card can describe (models/README.md lists the forms)"
        )
    return chosen, {"input": input_table(inspected, chosen, possible[chosen]), **possible[chosen]}


def listed(inspected: Inspected) -> str:
    """Describe the outputs in words."""
    return "its outputs are " + ", ".join(f"{name!r} {values.shape}" for name, values in inspected.outputs.items())


# ---- detectors ----


def detector_table(inspected: Inspected) -> list[Entry]:
    """Return the [detector] table if a decoder can read the outputs; otherwise empty."""
    names, widths = set(inspected.outputs), {value.shape[-1:] for value in inspected.outputs.values()}
    strides = [stride for stride in STRIDES if {f"{kind}_{stride}" for kind in ("cls", "obj", "bbox")} <= names]
    if strides:
        points = all(f"kps_{stride}" in names for stride in strides)
        return detector_entries("yunet", strides, points, (0.6, 0.3), "its outputs have the same names as YuNet's")
    if {"scores", "boxes"} <= names and inspected.outputs["scores"].shape[-1:] == (2,) and (4,) in widths:
        reason = "its outputs have the same names and widths as UltraFace's"
        return detector_entries("ultraface", [], False, (0.7, 0.3), reason)
    for anchors in (2, 1):
        strides = [stride for stride in STRIDES if scrfd_maps(inspected, stride, anchors)]
        if strides and len(strides) == sum(value.shape[-1:] == (4,) for value in inspected.outputs.values()):
            reason = f"its outputs have the same widths and lengths as SCRFD's maps, with {anchors} anchor(s) per cell"
            return detector_entries("scrfd", strides, (10,) in widths, (0.5, 0.4), reason)
    return []


def detector_entries(
    decoder: str, strides: Sequence[int], points: bool, limits: tuple[float, float], reason: str
) -> list[Entry]:
    """Return the keys of [detector]."""
    resize = "stretch" if decoder == "ultraface" else "letterbox"
    usual = f"usual for {decoder}"
    return [
        Entry("decoder", decoder, reason, guessed=True),
        Entry("resize", resize, usual, guessed=True),
        Entry("score_threshold", limits[0], usual, guessed=True),
        Entry("nms_iou", limits[1], usual, guessed=True),
        *([Entry("strides", list(strides), "from the lengths or names of the outputs")] if strides else []),
        Entry(
            "points", points, "five points per face" if points else "boxes only, so it cannot be used with an embedder"
        ),
    ]


def scrfd_maps(inspected: Inspected, stride: int, anchors: int) -> bool:
    """Return whether the outputs include a score map and a box map for a stride."""
    length = (
        math.ceil(inspected.size[0] / stride) * math.ceil(inspected.size[1] / stride) * anchors * inspected.pictures
    )
    shapes = {(value.shape[-1:], value.size) for value in inspected.outputs.values()}
    return {((1,), length), ((4,), 4 * length)} <= shapes


# ---- embedders ----


def embedding_table(inspected: Inspected) -> list[Entry]:
    """Return the table of the longest vector output; empty if there is none or it contains probabilities."""
    wide = {name: width for name in inspected.outputs if (width := inspected.width_of(name) or 0) >= LEAST_DIMENSION}
    found = {name: width for name, width in wide.items() if not are_shares(inspected, name)}
    if not found:
        return []
    name = max(found, key=lambda name: found[name])
    several = f"the longest of {len(found)}" if len(found) > 1 else "the only long vector per face"
    return [
        Entry("output", name, several, guessed=len(found) > 1),
        Entry("dimension", found[name], "from the output's shape"),
    ]


def alignment(inspected: Inspected) -> list[Entry]:
    """Return ArcFace's alignment template at this input size."""
    width, height = inspected.size
    points = [[round(x * height + (width - height) / 2, 4), round(y * height, 4)] for x, y in ARCFACE_POINTS]
    reason = (
        "the template of ArcFace, published for 112 x 112 and used by most later embedders; check the authors' "
        "documentation"
    )
    return [
        Entry("template", points, reason, guessed=True),
        Entry("interpolation", "bilinear", "usual", guessed=True),
    ]


# ---- quality models ----


def quality_table(inspected: Inspected) -> list[Entry]:
    """Return the table of the only output with one number per image; empty if there is none or there are several."""
    found = [
        name
        for name in inspected.outputs
        if inspected.width_of(name) == 1 and np.issubdtype(inspected.outputs[name].dtype, np.floating)
    ]
    if len(found) != 1:
        return []
    return [
        Entry(
            "output",
            found[0],
            "one number per face; higher must mean better, which the graph does not show",
            guessed=True,
        )
    ]


def named_quality(inspected: Inspected, model: str) -> bool:
    """Return whether the name of the file or of an output indicates quality."""
    words = " ".join((model, *inspected.outputs)).lower()
    return any(word in words for word in ("quality", "fiqa"))


# ---- classifiers ----


def crop() -> list[Entry]:
    """Return a square crop with a small margin."""
    return [
        Entry(
            "margin",
            0.1,
            "published values range from 0 to 0.4; a wrong one reduces accuracy without an error",
            guessed=True,
        ),
        Entry("interpolation", "bilinear", "usual", guessed=True),
    ]


def answer_tables(inspected: Inspected) -> Tables:
    """Return [outputs.gender] and [outputs.age] if an output can represent them; names decide if widths do not."""
    narrow = {
        name: width for name in inspected.outputs if (width := inspected.width_of(name) or 0) and 0 < width <= MOST_AGES
    }
    gender: list[tuple[int, list[Entry]]] = []
    age: list[tuple[int, list[Entry]]] = []
    for name, width in narrow.items():
        for table, entries in meanings(inspected, name, width).items():
            rank = 0 if table in name.lower() or (table == "gender" and "sex" in name.lower()) else 1
            (gender if table == "gender" else age).append(
                (rank, [Entry("output", name, "", guessed=rank > 0), *entries])
            )
    best = {"outputs.gender": gender, "outputs.age": age}
    return {table: min(found, key=lambda pair: pair[0])[1] for table, found in best.items() if found}


def meanings(inspected: Inspected, name: str, width: int) -> Tables:
    """Return the possible meanings of an output of this width, from its values, last operator and name."""
    last, lower = inspected.facts.endings.get(name, ""), name.lower()
    if last == "ArgMax" or not np.issubdtype(inspected.outputs[name].dtype, np.floating):
        return (
            {"gender": kind_and_classes("index", f"it returns whole numbers ({last or 'no fractions'})")}
            if width == 1
            else {}
        )
    if width == 1:
        if "age" in lower or not (last in ("Sigmoid", "HardSigmoid") or "gender" in lower or "sex" in lower):
            return {"age": [Entry("kind", "years", "one number; a scale or offset may be missing", guessed=True)]}
        kind = "probability_of" if last in ("Sigmoid", "HardSigmoid") else "logit"
        return {"gender": kind_and_classes(kind, f"one number, and the graph ends in {last or 'no known operator'}")}
    if "age" in lower and "gender" not in lower and width > 2:
        return {"age": bins(inspected, name, width)}
    kind = "softmax" if are_shares(inspected, name) else "logits"
    why = "its values add up to 1" if kind == "softmax" else "its values do not add up to 1"
    if width == 2:
        return {"gender": kind_and_classes(kind, why)}
    if width == 3 and kind == "logits" and max(inspected.size) == GENDERAGE_SIDE:
        also = Entry(
            "columns", [0, 1], "as in InsightFace's genderage: two logits, then the age divided by 100", guessed=True
        )
        years = [Entry("kind", "years", "see gender", True), Entry("scale", 100.0, "see gender", True)]
        return {
            "gender": [*kind_and_classes(kind, why, GENDERS[::-1]), also],
            "age": [*years, Entry("columns", [2], "see gender", guessed=True)],
        }
    if width == 18 and kind == "logits":
        gender = [*kind_and_classes(kind, why), Entry("columns", [7, 8], PAPERS_ORDER, guessed=True)]
        places = Entry("columns", list(range(9, 18)), PAPERS_ORDER, guessed=True)
        return {"gender": gender, "age": [*bins(inspected, name, 9), places]}
    if width in (8, 9) or (width > MOST_BINS and kind == "softmax"):
        return {"age": bins(inspected, name, width)}
    return {}


def kind_and_classes(kind: str, reason: str, classes: tuple[str, ...] = GENDERS) -> list[Entry]:
    """Return the keys of a gender output."""
    order = "the graph does not show which comes first; facegap doctor detects a wrong order"
    return [Entry("kind", kind, reason, guessed=True), Entry("classes", list(classes), order, guessed=True)]


def bins(inspected: Inspected, name: str, width: int) -> list[Entry]:
    """Return the keys of an age output with one value per bin."""
    known = {9: (FAIRFACE_BINS, "FairFace"), 8: (ADIENCE_BINS, "Adience")}
    if width in known:
        ages, source = known[width]
        return [
            Entry("kind", "bins", f"{width} values, the number of age groups of {source}", guessed=True),
            Entry("bins", list(ages), f"the age groups of {source}", guessed=True),
        ]
    values = "softmax" if are_shares(inspected, name) else "logits"
    return [
        Entry("kind", "expectation", f"{width} values, one per year of age; value k means k years", guessed=True),
        Entry("values", values, "from whether the values add up to 1", guessed=True),
    ]


def are_shares(inspected: Inspected, name: str) -> bool:
    """Return whether the values for each image are proportions that add up to 1."""
    values: AnyArray = inspected.outputs[name].reshape(inspected.pictures, -1).astype(np.float64)
    fine = np.isfinite(values).all() and (values >= 0).all() and values.shape[1] > 1
    return bool(fine and (np.abs(values.sum(axis=1) - 1) <= SUM_SLACK).all())


# ---- the input ----


def input_table(inspected: Inspected, task: Task, tables: Mapping[str, Sequence[Entry]]) -> list[Entry]:
    """Return the keys of [input]."""
    decoder = next((entry.value for entry in tables.get("detector", ()) if entry.key == "decoder"), "")
    colour, colour_reason = colour_of(inspected, decoder)
    mean, scale, reason = values_of(inspected, task, decoder)
    free = task == "detect" and inspected.free_size and decoder != "ultraface"
    size = (640, 640) if free else inspected.size
    size_reason = "from the graph" if inspected.size_given else "not fixed by the graph; the first size that runs"
    if free:
        size_reason = "not fixed by the graph; the maximum side length of an input image"
    layout = "from the graph" if inspected.layout_given else "not given by the graph"
    certain = inspected.dtype == "uint8"
    return [
        Entry("name", inspected.name, "from the graph"),
        Entry("layout", inspected.layout, layout, guessed=not inspected.layout_given),
        Entry("colour", colour, colour_reason, guessed=colour != "GREY"),
        Entry("size", list(size), size_reason, guessed=not inspected.size_given),
        Entry("mean", mean, reason, guessed=not certain),
        Entry("scale", scale, reason, guessed=not certain),
        Entry("dtype", inspected.dtype, "from the graph"),
        *([Entry("dynamic", True, "height and width are free in the graph")] if free else []),
    ]


def colour_of(inspected: Inspected, decoder: str) -> tuple[str, str]:
    """Return the colour order and the reason for it."""
    if inspected.channels == 1:
        return "GREY", "the graph accepts one channel"
    if decoder == "yunet":
        return "BGR", "as OpenCV feeds YuNet"
    return "RGB", "more common than BGR; the graph does not show it, and a wrong order reduces accuracy unnoticed"


def values_of(inspected: Inspected, task: Task, decoder: str) -> tuple[list[float], list[float], str]:
    """Return mean and scale, and the reason for them."""
    plain, one = [0.0] * inspected.channels, [1.0] * inspected.channels

    def signed(divisor: float, middle: float = 127.5) -> tuple[list[float], list[float]]:
        return [middle] * inspected.channels, [round(1 / divisor, 10)] * inspected.channels

    if inspected.dtype == "uint8":
        return plain, one, "uint8 uses pixels unchanged"
    if inspected.facts.scales:
        return plain, one, "0 to 255: the graph begins with arithmetic on the pixels"
    if decoder == "yunet":
        return plain, one, "0 to 255, as OpenCV feeds YuNet"
    if decoder == "ultraface":
        return *signed(128, 127.0), "as its authors feed UltraFace"
    if decoder == "scrfd":
        return *signed(128), "as InsightFace feeds SCRFD"
    if task in ("embed", "quality"):
        return *signed(127.5), "-1 to 1, as for most models of aligned faces"
    if inspected.size == (224, 224) and inspected.channels == 3:
        return list(IMAGENET_MEAN), list(IMAGENET_SCALE), "ImageNet's mean and standard deviation, common at 224 x 224"
    return *signed(127.5), "-1 to 1, as for many classifiers; 0 to 1 and 0 to 255 are equally common"
