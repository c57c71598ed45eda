"""Run many settings of one model on the sampled portraits; each image is decoded and its face detected once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.doctor.alternatives import Variant
from facegap.doctor.sample import attack_detection
from facegap.inputs.images.decode import MAX_PIXELS, Picture, Pixels, Unreadable, quiet_decoders, read_picture
from facegap.runtime.models import stop_model
from facegap.types import AnyArray
from facegap.vision import assess, classify, embed
from facegap.vision.align import square_crop
from facegap.vision.find import Finder, WholePicture, find_faces, whole_for_box, whole_for_template
from facegap.vision.look import BOX_COLUMNS, POINT_COLUMNS, Row, Stages, empty_record, take_face

PART_ROWS = 16
BATCH = 8


@dataclass(frozen=True, eq=False)
class Ready:
    """A variant with its model, ready to run; variants may share one session."""

    variant: Variant
    model: embed.Embedder | classify.Classifier | assess.Assessor


@dataclass(frozen=True, eq=False)
class Found:
    """Results for the sampled rows.

    outcomes : per row of the sample, a word of FACES; only faces that are "ok" have answers
    answers  : per variant, for the ok rows in order: float32 (n, dimension), zeros where there is no template;
    or str (n,), the predicted class, empty for none; or float64 (n,), years, NaN for none
    """

    outcomes: tuple[str, ...]
    answers: tuple[AnyArray, ...]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Whether each row of the sample has a face."""
        return np.array([outcome == "ok" for outcome in self.outcomes], dtype=bool)


def ready(variants: Sequence[Variant], session: Any, *, flip: bool = False) -> list[Ready]:
    """Check each variant against the graph, before the first image.

    Raises
    ------
    ModelError : the graph lacks an input or an output that a card names
    """
    if variants[0].card.task == "embed":
        return [Ready(variant, embed.embedder(variant.card, session, BATCH, flip=flip)) for variant in variants]
    if variants[0].card.task == "quality":
        return [Ready(variant, assess.assessor(variant.card, session, BATCH)) for variant in variants]
    # A wrong scale may give probabilities outside 0 to 1, and a crop may exceed a small picture. Such settings are evaluated
    # on the same pictures as all others, so neither is an error here.
    models = [
        replace(classify.classifier(variant.card, session, BATCH), checked=False, reduced_crop=True)
        for variant in variants
    ]
    return [Ready(variant, model) for variant, model in zip(variants, models, strict=True)]


def run(
    rows: pd.DataFrame,
    folder: Path,
    finder: Finder,
    models: Sequence[Ready],
    *,
    age: bool = False,
    workers: int = 1,
    on_image: Callable[[int], None] = lambda done: None,
) -> Found:
    """Run every variant on every portrait, some rows at a time, so that memory does not grow with the sample.

    rows     : MANIFEST
    age      : read the ages of a classifier, not its classes
    on_image : called with the number of finished images
    """
    parts = [rows.iloc[start : start + PART_ROWS] for start in range(0, len(rows), PART_ROWS)]
    stages = Stages(finder, None, None)
    found: list[Found] = []
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # workers already run in parallel
    try:
        with quiet_decoders(), ThreadPoolExecutor(workers, thread_name_prefix="doctor") as pool:
            try:
                for part in pool.map(lambda part: run_part(part, folder, stages, models, age=age), parts):
                    before = sum(len(one.outcomes) for one in found)
                    found.append(part)
                    for done in range(before, before + len(part.outcomes)):
                        on_image(done + 1)
            except BaseException:
                # An error or Ctrl-C must not wait for running or queued parts.
                stages.stop()
                for one in models:
                    stop_model(one.model.session)
                raise
            finally:
                pool.shutdown(cancel_futures=True)
    finally:
        cv2.setNumThreads(threads)
    return Found(
        tuple(outcome for part in found for outcome in part.outcomes),
        tuple(np.concatenate([part.answers[k] for part in found]) for k in range(len(models))),
    )


def run_part(rows: pd.DataFrame, folder: Path, stages: Stages, models: Sequence[Ready], *, age: bool) -> Found:
    """Run every variant on some rows; variants that share a crop compute it once."""
    outcomes: list[str] = []
    crops: dict[tuple[Any, ...], list[Pixels | None]] = {geometry(one.variant): [] for one in models}
    cutters = {geometry(one.variant): one for one in models}
    for image, path in zip(rows["image"], rows["path"], strict=True):
        picture = read_picture(str(path), root=folder, max_pixels=MAX_PIXELS)
        record = face_of(picture, str(image), stages)
        outcomes.append(str(record["outcome"]))
        if isinstance(picture, Picture) and record["outcome"] == "ok":
            for key, one in cutters.items():
                crops[key].append(crop(one, picture.pixels, record, stages.detector))
    return Found(tuple(outcomes), tuple(answers(one, crops[geometry(one.variant)], age=age) for one in models))


def face_of(picture: Picture | Unreadable, image: str, stages: Stages) -> dict[str, Any]:
    """The record of one picture's face, selected as in an audit."""
    row = Row(empty_record(0, image, stages))
    if isinstance(picture, Unreadable):
        return row.record | {"outcome": picture.outcome}
    assert stages.detector is not None
    take_face(row, picture, find_faces(stages.detector, image, picture.pixels), stages)
    return row.record


def geometry(variant: Variant) -> tuple[Any, ...]:
    """What determines the pixels of a crop; variants with the same geometry share their crops."""
    card = variant.card
    spec = card.alignment or card.crop
    assert card.input is not None and spec is not None
    place = card.alignment.template if card.alignment and variant.box_margin is None else None
    margin = (card.crop.rule, card.crop.margin, card.crop.factor) if card.crop else variant.box_margin
    return (card.input.size, spec.interpolation, place, margin)


def crop(one: Ready, pixels: Pixels, record: Mapping[str, Any], finder: Finder | None) -> Pixels | None:
    """The face as a variant expects it; None if the landmarks give no valid crop.

    record : of the picture's face, from `face_of`
    """
    if isinstance(finder, WholePicture):
        whole = whole_for_template if one.model.card.alignment is not None else whole_for_box
        return whole(pixels, one.model.card, str(record["image"]))
    box = np.array([record[name] for name in BOX_COLUMNS], np.float64)
    points = np.array([record[name] for name in POINT_COLUMNS], np.float64).reshape(5, 2)
    if isinstance(one.model, assess.Assessor):
        return assess.face_crop(one.model, pixels, box, points)
    if isinstance(one.model, classify.Classifier):
        return classify.face_crop(one.model, pixels, box)
    if one.variant.box_margin is None:
        return embed.face_crop(one.model, pixels, points)
    card = one.model.card
    assert card.input is not None and card.alignment is not None
    return square_crop(pixels, box, one.variant.box_margin, card.input.size, card.alignment.interpolation)


def answers(one: Ready, crops: Sequence[Pixels | None], *, age: bool) -> AnyArray:
    """The output of the model for each crop; empty if there is no crop."""
    placed = [k for k, pixels in enumerate(crops) if pixels is not None]
    given = [pixels for pixels in crops if pixels is not None]
    if isinstance(one.model, embed.Embedder):
        templates = np.zeros((len(crops), one.model.dimension), np.float32)
        templates[placed] = np.nan_to_num(embed.embed(one.model, given), nan=0.0)
        return templates
    assert isinstance(one.model, classify.Classifier)  # quality models have no settings to try
    said = classify.classify(one.model, given)
    attacks = attack_detection(one.model.card)
    if attacks is not None and not one.model.card.gender_classes and not age:
        return np.array(said.categories[attacks[0]][0], dtype=object)
    return said.age if age else np.array(said.prediction, dtype=object)
