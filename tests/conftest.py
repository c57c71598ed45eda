"""Fixtures of the whole suite. Nothing here touches the network; no face of a person and no weight of a third party.

The toy models are ONNX graphs of a few nodes whose answers are known by hand from the colours of a drawn picture:
a blue 32 x 32 quadrant is a face, a red 8 x 8 square is a face too small to use, green says the gender, red the age.
"""

from __future__ import annotations

import gc
import hashlib
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import settings

from fixtures.settings import audited

if TYPE_CHECKING:  # pytest must load the plugins below first
    from fixtures.shared import Shared

pytest_plugins = [
    "fixtures.campaigns",
    "fixtures.charts",
    "fixtures.circle",
    "fixtures.command_lines",
    "fixtures.packages",
    "fixtures.reports",
    "fixtures.shared",
    "fixtures.sites",
]

# The same cases on every machine and day, so that a red run can be made again; new ones with --hypothesis-profile=default.
# A campaign (fixtures/campaigns.py) runs twenty times as many, of new seeds.
settings.register_profile("same", derandomize=True, max_examples=50, deadline=None)  # no claim about time is tested
settings.load_profile("same")


def pytest_collection_finish() -> None:
    """Take what is loaded by now out of garbage collection: it lives to the end, and each full pass would walk through it."""
    gc.freeze()


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder with the real models and portraits; a test that asks for it skips where it is not named."""
    named = os.environ.get("FACEGAP_TEST_DATA")
    if not named:
        pytest.skip("FACEGAP_TEST_DATA names no folder with the real models and portraits")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"FACEGAP_TEST_DATA={named} is not a folder")
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright: one for all tests of a process, since Playwright cannot be started twice."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("chromium is not installed; apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield started
        started.close()


# ---- toy graphs ----

Shape = Sequence[int | str]


@dataclass(frozen=True)
class Graphs:
    """Maker of small ONNX files. A node is (operator, inputs, outputs, attributes)."""

    def build(
        self,
        nodes: Sequence[tuple[str, Sequence[str], Sequence[str], Mapping[str, Any]]],
        *,
        inputs: Mapping[str, Shape],
        outputs: Mapping[str, Shape],
        constants: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The bytes of a float32 graph; constants are stored as initialisers."""
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        def described(tables: Mapping[str, Shape]) -> list[Any]:
            return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in tables.items()]

        stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
        made = [helper.make_node(kind, list(into), list(out), **attributes) for kind, into, out, attributes in nodes]
        graph = helper.make_graph(made, "toy", described(inputs), described(outputs), stored)
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

    def answering(self, outputs: Mapping[str, Any], *, size: tuple[int, int] = (64, 64), channels: int = 3) -> bytes:
        """A graph of one NCHW picture that gives the same arrays whatever it is shown."""
        constants = {f"{name}_value": np.asarray(value, np.float32) for name, value in outputs.items()}
        nodes: list[Any] = [("Identity", [f"{name}_value"], [name], {}) for name in outputs]
        return self.build(
            nodes,
            inputs={"input": (1, channels, size[1], size[0])},
            outputs={name: np.shape(value) for name, value in outputs.items()},
            constants=constants,
        )

    def mean_of_channels(self, *, batch: int | str = "N", side: int = 16) -> bytes:
        """Per picture the mean of each channel: output `means` (batch, 3)."""
        return self.build(
            [("GlobalAveragePool", ["input"], ["pooled"], {}), ("Flatten", ["pooled"], ["means"], {"axis": 1})],
            inputs={"input": (batch, 3, side, side)},
            outputs={"means": (batch, 3)},
        )


@pytest.fixture(scope="session")
def graphs() -> Graphs:
    """Maker of small ONNX files."""
    return Graphs()


# ---- toy cards ----

CARD_HEAD = """
name = "{name}"
task = "{task}"
backend = "onnx"
file = "{name}.onnx"
obtain = "The tests make it."
sha256 = "{sha256}"
licence = "Apache-2.0"
commercial_use = true
verified = true
citation = "A toy of the tests."
known_limits = ["Knows colours only."]

[training_data]
description = "none"
status = "public"

[input]
name = "{input}"
layout = "{layout}"
colour = "{colour}"
size = [{side}, {side}]
mean = {mean}
scale = {scale}
dtype = "float32"
"""

YUNET_TABLE = """
[detector]
decoder = "yunet"
resize = "letterbox"
score_threshold = 0.6
nms_iou = 0.3
strides = [8, 16, 32]
points = true
"""

# The five points of a toy face as shares of its cell; on a 16-pixel crop the cell is halved and keeps its place.
TOY_POINTS = ((0.3, 0.35), (0.7, 0.35), (0.5, 0.5), (0.35, 0.7), (0.65, 0.7))
TOY_BOX_PX = 24  # of the 32 pixels of a quadrant

EMBEDDER_TABLE = f"""
[alignment]
template = {[[16 * x, 16 * y] for x, y in TOY_POINTS]}
interpolation = "bilinear"

[outputs.embedding]
output = "embedding"
dimension = 8
"""

QUALITY_TABLE = f"""
[alignment]
template = {[[16 * x, 16 * y] for x, y in TOY_POINTS]}
interpolation = "bilinear"

[outputs.quality]
output = "quality"
"""

CLASSIFIER_TABLE = """
[crop]
margin = 0.0
interpolation = "bilinear"

[outputs.gender]
output = "gender"
kind = "softmax"
classes = ["male", "female"]

[outputs.age]
output = "age"
kind = "years"
"""


@dataclass(frozen=True)
class Toys:
    """Four toy models with their cards in one folder.

    detector   : yunet layout at 64 x 64; a quadrant whose mean blue is at least .6 * 255 is a face of 24 pixels with
                 that score, an aligned 8 x 8 cell as red as that is a face of 8 pixels
    embedder   : green and red of the aligned face in 2 x 2 quarters, 8 numbers; zeros for a purely blue face
    classifier : female with probability green / 255; red / 2.55 years old
    quality    : the mean of red of the aligned face, 0 to 255
    """

    folder: Path

    def card(self, name: str) -> str:
        """Path of a card, as --detect, --embed and --classify take it."""
        return str(self.folder / f"toy_{name}.toml")

    @property
    def two(self) -> dict[str, Any]:
        """Arguments of `audit` for detector and classifier."""
        return {"detect": self.card("detector"), "classify": self.card("classifier")}

    @property
    def three(self) -> dict[str, Any]:
        """The embedder too; few drawn people allow no threshold to be found, so one is given."""
        return {**self.two, "embed": self.card("embedder"), "threshold": [0.5]}


def write_card(
    folder: Path,
    name: str,
    task: str,
    model: bytes,
    tables: str,
    *,
    colour: str = "RGB",
    side: int = 16,
    layout: str = "NCHW",
    mean: str = "[0, 0, 0]",
    scale: str = "[1, 1, 1]",
    input_name: str = "input",
) -> Path:
    """Store a graph with its card beside; the card's path."""
    (folder / f"{name}.onnx").write_bytes(model)
    head = CARD_HEAD.format(
        name=name,
        task=task,
        sha256=hashlib.sha256(model).hexdigest(),
        colour=colour,
        side=side,
        layout=layout,
        mean=mean,
        scale=scale,
        input=input_name,
    )
    path = folder / f"{name}.toml"
    path.write_text(head + tables, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def card_writer() -> Any:
    """`write_card`, for tests that need a model of their own."""
    return write_card


def toy_detector(graphs: Graphs) -> bytes:
    """A yunet-layout graph: scores from blue quadrants (stride 32) and red cells (stride 8), boxes fixed."""
    nodes: list[Any] = [
        ("Mul", ["input", "one_over_255"], ["shares"], {}),
        ("Gather", ["shares", "blue"], ["blues"], {"axis": 1}),
        ("Gather", ["shares", "red"], ["reds"], {"axis": 1}),
    ]
    constants: dict[str, Any] = {
        "one_over_255": np.float32(1 / 255),
        "blue": np.array([0]),
        "red": np.array([2]),
        "column": np.array([1, -1, 1]),
    }
    outputs: dict[str, Shape] = {}
    for stride, source in ((8, "reds"), (16, None), (32, "blues")):
        cells = (64 // stride) ** 2
        share = 1.0 if stride == 8 else TOY_BOX_PX / 32
        box = np.tile(np.float32([0.5, 0.5, math.log(share), math.log(share)]), (1, cells, 1))
        points = np.tile(np.float32(TOY_POINTS).reshape(-1), (1, cells, 1))
        constants |= {
            f"box{stride}": box,
            f"points{stride}": points,
            f"none{stride}": np.zeros((1, cells, 1), np.float32),
        }
        if source:
            pool = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
            nodes += [
                ("AveragePool", [source], [f"pooled{stride}"], pool),
                ("Reshape", [f"pooled{stride}", "column"], [f"cls_{stride}"], {}),
            ]
        else:
            nodes += [("Identity", [f"none{stride}"], [f"cls_{stride}"], {})]
        nodes += [
            ("Identity", [f"cls_{stride}"], [f"obj_{stride}"], {}),
            ("Identity", [f"box{stride}"], [f"bbox_{stride}"], {}),
            ("Identity", [f"points{stride}"], [f"kps_{stride}"], {}),
        ]
        outputs |= {f"{kind}_{stride}": (1, cells, n) for kind, n in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))}
    return graphs.build(nodes, inputs={"input": (1, 3, 64, 64)}, outputs=outputs, constants=constants)


def toy_embedder(graphs: Graphs, *, batch: int | str = "N") -> bytes:
    """Red and green of the crop in 2 x 2 quarters: output `embedding` (batch, 8)."""
    pool = {"kernel_shape": [8, 8], "strides": [8, 8]}
    return graphs.build(
        [
            ("Gather", ["input", "red_and_green"], ["two"], {"axis": 1}),
            ("AveragePool", ["two"], ["quarters"], pool),
            ("Flatten", ["quarters"], ["embedding"], {"axis": 1}),
        ],
        inputs={"input": (batch, 3, 16, 16)},
        outputs={"embedding": (batch, 8)},
        constants={"red_and_green": np.array([0, 1])},
    )


def toy_classifier(graphs: Graphs) -> bytes:
    """Gender from the mean of green, age from the mean of red: outputs `gender` (N, 2) and `age` (N, 1)."""
    return graphs.build(
        [
            ("GlobalAveragePool", ["input"], ["pooled"], {}),
            ("Flatten", ["pooled"], ["means"], {"axis": 1}),
            ("Gather", ["means", "green"], ["greens"], {"axis": 1}),
            ("Gather", ["means", "red"], ["reds"], {"axis": 1}),
            ("Mul", ["greens", "one_over_255"], ["female"], {}),
            ("Sub", ["one", "female"], ["male"], {}),
            ("Concat", ["male", "female"], ["gender"], {"axis": 1}),
            ("Mul", ["reds", "hundred_over_255"], ["age"], {}),
        ],
        inputs={"input": ("N", 3, 16, 16)},
        outputs={"gender": ("N", 2), "age": ("N", 1)},
        constants={
            "red": np.array([0]),
            "green": np.array([1]),
            "one": np.float32(1),
            "one_over_255": np.float32(1 / 255),
            "hundred_over_255": np.float32(100 / 255),
        },
    )


def toy_quality(graphs: Graphs, *, side: int = 16, batch: int | str = "N") -> bytes:
    """The mean of the first channel of the crop: output `quality` (batch, 1)."""
    return graphs.build(
        [
            ("GlobalAveragePool", ["input"], ["pooled"], {}),
            ("Flatten", ["pooled"], ["means"], {"axis": 1}),
            ("Gather", ["means", "first"], ["quality"], {"axis": 1}),
        ],
        inputs={"input": (batch, 3, side, side)},
        outputs={"quality": (batch, 1)},
        constants={"first": np.array([0])},
    )


@pytest.fixture(scope="session")
def toys(graphs: Graphs, tmp_path_factory: pytest.TempPathFactory) -> Toys:
    """The toy detector, embedder, classifier and quality model, with cards, in one folder."""
    folder = tmp_path_factory.mktemp("toys")
    write_card(folder, "toy_detector", "detect", toy_detector(graphs), YUNET_TABLE, colour="BGR", side=64)
    write_card(folder, "toy_embedder", "embed", toy_embedder(graphs), EMBEDDER_TABLE)
    write_card(folder, "toy_classifier", "classify", toy_classifier(graphs), CLASSIFIER_TABLE)
    write_card(folder, "toy_quality", "quality", toy_quality(graphs), QUALITY_TABLE)
    return Toys(folder)


# ---- drawn pictures ----


def drawn_face(
    *, green: int = 0, red: int = 0, quadrants: Sequence[int] = (0,), blue: int = 255
) -> np.ndarray[Any, Any]:
    """A 64 x 64 picture, BGR, black but for the quadrants given (0 1 above, 2 3 below), which are toy faces."""
    picture = np.zeros((64, 64, 3), np.uint8)
    for quadrant in quadrants:
        top, left = 32 * (quadrant // 2), 32 * (quadrant % 2)
        picture[top : top + 32, left : left + 32] = (blue, green, red)
    return picture


@pytest.fixture(scope="session")
def draw() -> Any:
    """`drawn_face`, for tests that draw their own people."""
    return drawn_face


@pytest.fixture(scope="session")
def encode() -> Any:
    """A picture as the bytes of a file: encode(".png", pixels, *cv2 flags)."""

    def encoded(suffix: str, pixels: np.ndarray[Any, Any], *flags: int) -> bytes:
        fine, data = cv2.imencode(suffix, pixels, list(flags))
        assert fine
        return data.tobytes()

    return encoded


# ---- real portraits ----


@dataclass(frozen=True)
class Congress:
    """The 1,418 portraits of US legislators, run once for the whole suite: each further embedder only embeds the faces found.

    manifest  : CSV of all portraits by their whole path: image, subject, gender, snapshot and more
    same_photo: CSV left,right of the pairs that look like one photograph; they are no genuine pairs
    run       : detector, classifier and face_reid_0095, by snapshot and by snapshot x gender, at threshold .388
    """

    data: Path
    manifest: Path
    same_photo: Path
    run: Any
    shared: Shared

    def templates(self, name: str) -> Any:
        """Templates of one embedder, float32 (1418, dimension), in the order of the manifest."""
        if name == "face_reid_0095":
            return self.run.embeddings

        def fill(folder: Path) -> None:
            np.save(folder / "templates.npy", embedded(self.run.faces, name, self.data / "models"))

        return np.load(self.shared(f"congress_{name}", fill) / "templates.npy")


def embedded(faces: Any, name: str, models: Path) -> Any:
    """Templates of the faces that an audit found, by another embedder."""
    from facegap.inputs.cards.read import resolve_card
    from facegap.inputs.cards.weights import read_weights
    from facegap.inputs.images.decode import Picture, read_picture
    from facegap.runtime import open_session
    from facegap.tables import POINTS
    from facegap.vision.embed import embed, embedder, face_crop

    card, _ = resolve_card(name, "embed")
    model = embedder(card, open_session(read_weights(card, [models]), name=name), 8)
    columns = [f"{point}_{axis}" for point in POINTS for axis in "xy"]
    crops = []
    for image, points in zip(faces["image"], faces[columns].to_numpy(), strict=True):
        picture = read_picture(Path(image))
        assert isinstance(picture, Picture)
        crop = face_crop(model, picture.pixels, points.reshape(5, 2))
        assert crop is not None
        crops.append(crop)
    return embed(model, crops)


@pytest.fixture(scope="session")
def congress_run(test_data: Path, shared: Shared) -> Congress:
    """All portraits of legislators through the real models, once for the whole suite."""
    from facegap.store.run import read_run

    where = shared("congress", lambda folder: run_congress(test_data, folder))
    run = read_run(where / "run")
    assert (run.faces["outcome"] == "ok").all()
    return Congress(test_data, where / "people.csv", where / "same_photo.csv", run, shared)


def run_congress(test_data: Path, where: Path) -> None:
    """The manifest, the pairs that look like one photograph, and the run of all portraits."""
    import pandas as pd

    folder = test_data / "data" / "congress"
    members = pd.read_csv(folder / "members.csv", dtype=str)
    members["image"] = [str(folder / image) for image in members["image"]]
    members.to_csv(where / "people.csv", index=False)
    same = pd.read_csv(folder / "same_photo_subjects.csv", dtype=str)["subject"]
    twice = members[members["subject"].isin(same)].groupby("subject")["image"].agg(list)
    lines = [",".join(pair) for pair in twice if len(pair) == 2]
    (where / "same_photo.csv").write_text("left,right\n" + "\n".join(lines) + "\n")
    audited(
        where / "people.csv",
        classify="faceapi_age_gender",
        embed="face_reid_0095",
        by="snapshot,snapshot*gender",
        models_dir=[test_data / "models"],
        allow_outside=True,
        threshold=[0.388],
        out=where / "run",
    )
