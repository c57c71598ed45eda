"""Process a part of the manifest with several models at once: images are decoded, and faces detected and cropped, only once.

The results for each model are those of `run_part` for it alone, except for times: the full time of a shared stage counts for each
model, as if it had run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns

import pandas as pd

from facegap.inputs.images.decode import Picture
from facegap.inputs.videos.read import is_video
from facegap.tables import COVARIATES
from facegap.types import FloatArray
from facegap.vision.find import WholePicture
from facegap.vision.look import Row, Stages, choose_face, cut_crops, empty_record, faces_of, look_at_video, open_picture
from facegap.vision.pipeline import Part, measure_all, shown_to_models


def run_part_of_several(
    rows: pd.DataFrame, folder: Path, lanes: Sequence[Stages], on_image: Callable[[], None]
) -> list[Part]:
    """Run all stages for some manifest rows and several models; returns one part per model, in order.

    lanes : identical except for the models after the detector, and without a service
    """
    looked: list[list[list[Row]]] = [[] for _ in lanes]
    for number, image, path in zip(rows["row"], rows["image"], rows["path"], strict=True):
        if is_video(str(path)):
            found = [look_at_video(int(number), str(image), folder, str(path), lane) for lane in lanes]
        else:
            found = [[row] for row in look_for_several(int(number), str(image), folder, str(path), lanes)]
        for of_lane, of_file in zip(looked, found, strict=True):
            of_lane.append(of_file)
        on_image()
    measure_once(looked)
    return [shown_to_models(of_lane, lane) for of_lane, lane in zip(looked, lanes, strict=True)]


def look_for_several(number: int, image: str, folder: Path, path: str, lanes: Sequence[Stages]) -> list[Row]:
    """Decode one image and find its face; returns a row with the crops of each lane."""
    alone = replace(lanes[0], embedder=None, classifier=None, assessor=None)
    row, picture = open_picture(number, image, folder, path, alone)
    faces = None if picture is None else faces_of(row, picture, alone)
    begun = perf_counter_ns()
    place = None if picture is None or faces is None else choose_face(row, picture, faces, alone)
    row.spent_ns |= {"crop": perf_counter_ns() - begun} if faces is not None else {}
    cut: dict[Hashable, Row] = {}
    return [row_of_lane(row, picture, place, lane, cut) for lane in lanes]


def row_of_lane(
    row: Row,
    picture: Picture | None,
    place: tuple[FloatArray, FloatArray] | None,
    lane: Stages,
    cut: dict[Hashable, Row],
) -> Row:
    """Return the row of one lane. cut : rows with crops, by the models they are for; the row is added"""
    key = crops_of(lane)
    if key in cut:
        return copied(cut[key], lane)
    own = copied(row, lane)
    if picture is not None and place is not None:
        begun = perf_counter_ns()
        cut_crops(own, picture.pixels, *place, lane)
        own.spent_ns["crop"] += perf_counter_ns() - begun
    cut[key] = own
    return own


def copied(row: Row, lane: Stages) -> Row:
    """Copy a row for another lane: the same pixels, but a separate record with the columns of that lane."""
    record = empty_record(row.record["row"], row.record["image"], lane)
    known = {name: value for name, value in row.record.items() if name in record}
    return replace(row, record=record | known, spent_ns=dict(row.spent_ns))


def crops_of(lane: Stages) -> Hashable:
    """Return a key that determines the crops of a lane: models with equal keys receive the same pixels."""
    whole = isinstance(lane.detector, WholePicture)  # the crop is the image, and an error names the model
    models = (lane.embedder, lane.classifier, lane.assessor)
    if whole:
        return tuple(None if model is None else model.card.name for model in models)
    rules = [
        None
        if model is None
        else (model.card.alignment, model.card.crop, None if model.card.input is None else model.card.input.size)
        for model in models
    ]
    return (*rules, lane.classifier is not None and lane.classifier.reduced_crop)


def measure_once(looked: Sequence[Sequence[Sequence[Row]]]) -> None:
    """Write the covariates of the faces of a part to the records of all lanes; faces in images are measured once."""
    first, *others = [[row for of_file in of_lane for row in of_file] for of_lane in looked]
    measure_all(first)
    for rows in others:
        measured = [(own, row) for own, row in zip(first, rows, strict=True) if row.frame is None]
        for own, row in measured:
            if row.for_covariates is not None:
                row.record |= {name: own.record[name] for name in COVARIATES}
                row.spent_ns |= {"covariates": own.spent_ns["covariates"]}
                row.for_covariates = None
        measure_all(rows)  # the rest: video frames
