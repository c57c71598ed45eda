"""Process a part of the manifest with all models: decode, detect, choose, crop, embed, classify.

One worker processes one part from file to template, decoding its images while another worker's models run, without
queues. Memory is limited to one image, or TOGETHER small ones, per worker, and a part's crops. A part is what a run
commits and resumes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.errors import ModelError
from facegap.inputs.images.decode import Picture
from facegap.inputs.videos.read import is_video
from facegap.store.pooled import decisive_of, detail_of
from facegap.tables import FRAMES, MODEL_QUALITY
from facegap.types import BoolArray
from facegap.vision.assess import Assessor, assess
from facegap.vision.classify import Classifier, classify
from facegap.vision.covariates import measured
from facegap.vision.embed import Embedder, lengths, raw_templates, unit_rows
from facegap.vision.look import Row, Stages, look_at_pictures, look_at_video, open_picture, share_time

STAGES = ("decode", "detect", "crop", "covariates", "embed", "classify", "quality")
# Number of images in which faces are detected together, and the limit on the bytes of their pixels.
TOGETHER, TOGETHER_BYTES = 8, 16 * 2**20
PART_ROWS = 32  # small enough that workers finish together and a kill loses seconds, large enough to keep files few


@dataclass(frozen=True)
class Part:
    """Results of consecutive manifest rows.

    rows       : one record per manifest row: FACES columns, raw prediction, nanoseconds of each stage, and for a video its frames
                 as a JSON list of FRAMES without `row`
    embeddings : float32 (images and frames of videos with outcome ok, dimension), None without an embedder
    """

    rows: pd.DataFrame
    embeddings: NDArray[np.float32] | None


Work = Callable[[pd.DataFrame, Path, Stages, Callable[[], None]], Part]
Made = TypeVar("Made")


def run_parts(
    rows: pd.DataFrame,
    folder: Path,
    stages: Stages,
    *,
    workers: int,
    todo: Sequence[int],
    part_rows: int | None = None,
    on_image: Callable[[], None] = lambda: None,
    work: Work | None = None,
) -> Iterator[tuple[int, Part]]:
    """Yield (number, result) of each part in `todo`, in order of completion; at most `workers` are in progress.

    One more part is queued, so that no worker is idle while a finished part is written.

    rows      : MANIFEST; part k has its rows from k * part_rows up to (k + 1) * part_rows
    part_rows : None: PART_ROWS
    on_image  : called after each image, from worker threads
    work      : function that processes the rows of a part; None: run_part
    """
    size = part_rows or PART_ROWS

    def made(number: int) -> Part:
        return (work or run_part)(rows.iloc[number * size : (number + 1) * size], folder, stages, on_image)

    try:
        yield from in_parts(todo, made, workers=workers, stop=stages.stop)
    finally:
        if stages.service:
            stages.service.stop()


def in_parts(
    todo: Sequence[int], make: Callable[[int], Made], *, workers: int, stop: Callable[[], None]
) -> Iterator[tuple[int, Made]]:
    """Yield (number, result of `make`) of each part in `todo`, in order of completion; at most `workers` are in progress.

    stop : called on an error in a part, on Ctrl-C and if the caller stops iterating, to end the other parts
    """
    waiting = list(todo)[::-1]
    with ThreadPoolExecutor(workers, thread_name_prefix="facegap") as pool:
        running: dict[Future[Made], int] = {}
        try:
            while waiting or running:
                while waiting and len(running) <= workers:
                    number = waiting.pop()
                    running[pool.submit(make, number)] = number
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        except BaseException:
            stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def run_part(rows: pd.DataFrame, folder: Path, stages: Stages, on_image: Callable[[], None]) -> Part:
    """Run all stages for some manifest rows."""
    looked: list[list[Row]] = []
    together: list[tuple[Row, Picture]] = []

    def look_at_those() -> None:
        if together:
            look_at_pictures(together, stages)
        for _ in together:
            on_image()
        together.clear()

    for number, image, path in zip(rows["row"], rows["image"], rows["path"], strict=True):
        if is_video(str(path)):
            looked.append(look_at_video(int(number), str(image), folder, str(path), stages))
            on_image()
            continue
        row, picture = open_picture(int(number), str(image), folder, str(path), stages)
        looked.append([row])
        if picture is None:
            on_image()
            continue
        together.append((row, picture))
        if len(together) == TOGETHER or sum(other.pixels.size for _, other in together) > TOGETHER_BYTES:
            del picture
            look_at_those()
    look_at_those()
    measure_all([row for of_file in looked for row in of_file])
    return shown_to_models(looked, stages)


def shown_to_models(looked: Sequence[Sequence[Row]], stages: Stages) -> Part:
    """Process the crops of a part with the models after the detector. looked : per file its image or video frames"""
    images = [row for of_file in looked for row in of_file]
    embeddings = embed_all(images, stages.embedder) if stages.embedder else given_templates(images, stages.dimension)
    if stages.classifier:
        classify_all(images, stages.classifier)
    if stages.assessor:
        assess_all(images, stages.assessor)
    return Part(pd.DataFrame([record_of_file(of_file) for of_file in looked]), embeddings)


def record_of_file(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the record of a manifest row: of its image, or of the frames of its video with a representative one."""
    spent = {f"{stage}_ns": sum(row.spent_ns.get(stage, 0) for row in rows) for stage in STAGES}
    if rows[0].frame is None:
        return {**rows[0].record, **spent, "frames": ""}
    outcome, counts = decisive_of([row.record["outcome"] for row in rows])
    shown = next(row for row in rows if row.record["outcome"] == outcome)
    told = [
        {name: row.record[name] for name in FRAMES.columns if name in row.record and name != "row"}
        | {"frame": row.frame, "time_s": row.time_s}
        for row in rows
    ]
    frames = json.dumps(told, default=float)
    return {**shown.record, **spent, "outcome": outcome, "detail": detail_of(counts), "frames": frames}


def measure_all(images: Sequence[Row]) -> None:
    """Write the covariates of the faces of a part to their records; together, so that the code stays in the cache."""
    faces = [row for row in images if row.for_covariates is not None]
    started = time.perf_counter_ns()
    for row in faces:
        if row.for_covariates is not None:
            row.record |= measured(row.for_covariates)
            row.for_covariates = None
    share_time(faces, "covariates", started)


def embed_all(images: Sequence[Row], model: Embedder) -> NDArray[np.float32]:
    """Return the templates of the faces of a part; a face without a usable one gets the outcome no_template."""
    faces = [row for row in images if row.for_embedder is not None]
    started = time.perf_counter_ns()
    raw = raw_templates(model, [row.for_embedder for row in faces if row.for_embedder is not None])
    templates = unit_rows(raw)
    share_time(faces, "embed", started)
    usable: BoolArray = np.asarray(np.isfinite(templates).all(axis=1))
    for row, fine, norm in zip(faces, usable, lengths(raw), strict=True):
        row.for_embedder = None
        if fine:
            row.record["template_norm"] = norm
        else:
            row.record |= {"outcome": "no_template", "detail": "the embedder returned zeros or non-finite numbers"}
    return templates[usable]


def given_templates(images: Sequence[Row], dimension: int | None) -> NDArray[np.float32] | None:
    """Return the templates from a service, float32 (images of the part with outcome ok, dimension); None without a service."""
    if dimension is None:
        return None
    return np.array([row.template for row in images if row.template is not None], np.float32).reshape(-1, dimension)


def classify_all(images: Sequence[Row], model: Classifier) -> None:
    """Write the classifier's predictions to the records of the faces of a part."""
    faces = [row for row in images if row.for_classifier is not None]
    started = time.perf_counter_ns()
    answers = classify(model, [row.for_classifier for row in faces if row.for_classifier is not None])
    share_time(faces, "classify", started)
    for k, row in enumerate(faces):
        row.for_classifier = None
        row.record |= {
            "prediction": answers.prediction[k],
            "probability": answers.probability[k],
            "age": answers.age[k],
            **{f"{name}_answer": words[k] for name, (words, _) in answers.categories.items()},
            **{f"{name}_probability": sure[k] for name, (_, sure) in answers.categories.items()},
        }


def assess_all(images: Sequence[Row], model: Assessor) -> None:
    """Write the quality of the faces of a part to their records; a face without a crop has none.

    Raises
    ------
    ModelError : If a quality is not a finite number; names the image.
    """
    faces = [row for row in images if row.for_assessor is not None]
    started = time.perf_counter_ns()
    found = assess(model, [row.for_assessor for row in faces if row.for_assessor is not None])
    share_time(faces, "quality", started)
    wrong = np.flatnonzero(~np.isfinite(found))
    if len(wrong):
        image, value = faces[wrong[0]].record["image"], found[wrong[0]]
        raise ModelError(
            f"{model.card.name}: outputs.quality: the model returns {value:g} for the face of {image!r}, which is "
            f"not a finite number; check input.mean, input.scale and input.dtype"
        )
    for row, quality in zip(faces, found.tolist(), strict=True):
        row.for_assessor = None
        row.record[MODEL_QUALITY] = quality
