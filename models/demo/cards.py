"""The cards of the demo's models, written beside their files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pictures import CANVAS, CROP_MARGIN, CROP_SIDE, FACE_SIDE, PEOPLE, PHOTOGRAPHS, TEMPLATE

HEAD = """name = "{name}"
task = "{task}"
backend = "onnx"
file = "{name}.onnx"
obtain = "Included next to this card; models/demo/train.py in the project's sources trains it again."
sha256 = "{sha256}"
size_bytes = {size}
licence = "Apache-2.0"
commercial_use = true
verified = true
{threshold}citation = "Trained by this project for facegap demo (models/demo/train.py)."
known_limits = [
  "Trained on illustrated people only: never use it on photographs of people.",
  {limit}
]

[training_data]
description = "{data}"
status = "public"

[input]
name = "input"
layout = "NCHW"
colour = "RGB"
size = [{width}, {height}]
mean = [127.5, 127.5, 127.5]
scale = [0.0078125, 0.0078125, 0.0078125]  # 1 / 128
dtype = "float32"
"""
DETECTOR = """enlargement_limit = 2.0

[detector]
decoder = "yunet"
resize = "letterbox"
score_threshold = 0.5
nms_iou = 0.3
strides = [16]
points = true
"""
EMBEDDER = """
[alignment]
template = [
{template}]
interpolation = "bilinear"

[outputs.embedding]
output = "embedding"
dimension = 64
"""
CLASSIFIER = f"""
[crop]
margin = {CROP_MARGIN}
interpolation = "bilinear"

[outputs.gender]
output = "gender"
kind = "logits"
classes = ["male", "female"]
"""
LIMITS = {
    "detector": '"Pictures of one face that fills a good part of it; trained at 128 x 160."',
    "balanced": '"Trained on four equal groups of illustrated people; truth.json has its error rates by gender and tone."',
    "skewed": '"Biased on purpose by its training data: truth.json has its error rates by gender and tone."',
}


def write_models(folder: Path, files: Mapping[str, bytes], thresholds: Mapping[str, float]) -> None:
    """Store each network with its card."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.onnx").write_bytes(content)
        (folder / f"{name}.toml").write_text(card_of(name, content, thresholds), encoding="utf-8")
        print(f"{name}: {len(content):,} bytes")


def card_of(name: str, content: bytes, thresholds: Mapping[str, float]) -> str:
    """The text of one card."""
    _, kind, *rest = name.split("_")
    version = rest[0] if rest else "detector"
    task = {"detector": "detect", "gender": "classify", "embedder": "embed"}[kind]
    size = {"detect": CANVAS, "classify": (CROP_SIDE, CROP_SIDE), "embed": (FACE_SIDE, FACE_SIDE)}[task]
    threshold = ""
    if task == "embed":
        threshold = f"published_threshold = {thresholds[version]}  # FMR .01 among held-out people of its own mix\n"
    template = "".join(f"  [{x}, {y}],\n" for x, y in TEMPLATE)
    return (
        HEAD.format(
            name=name,
            task=task,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            threshold=threshold,
            limit=LIMITS[version],
            data=data_of(version),
            width=size[0],
            height=size[1],
        )
        + {"detect": DETECTOR, "embed": EMBEDDER.format(template=template), "classify": CLASSIFIER}[task]
    )


def data_of(version: str) -> str:
    """Who a model was trained on, in words."""
    if version == "detector":
        return (
            "4,000 illustrations of people who do not exist, "
            "with equal numbers of all tones and genders (facegap.demo.illustrated.portraits)"
        )
    mix = ", ".join(f"{count} {tone} {gender}" for (gender, tone), count in PEOPLE[version].items())
    people = f"{sum(PEOPLE[version].values()):,} people who do not exist"
    return f"{PHOTOGRAPHS} illustrations each of {people}: {mix} (facegap.demo.illustrated.portraits)"
