"""Process one image from its file to its crops: decode it, detect its faces, choose one and crop it.

`pipeline` processes the crops of many images together.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegap.inputs.cards.decoders import Faces
from facegap.inputs.images.colour import Colour
from facegap.inputs.images.decode import MAX_PIXELS, ImageFile, Picture, Pixels, Unreadable, decode, read_image
from facegap.inputs.images.jpeg_quality import jpeg_quality
from facegap.inputs.videos.read import MOST_PIXELS, Sampling, VideoFile, read_video
from facegap.runtime.models import stop_model
from facegap.tables import COVARIATES, MODEL_QUALITY, POINTS
from facegap.types import FloatArray
from facegap.vision.assess import Assessor
from facegap.vision.assess import face_crop as assessor_crop
from facegap.vision.classify import Classifier, too_small_for
from facegap.vision.classify import face_crop as classifier_crop
from facegap.vision.covariates import Sample, sample
from facegap.vision.detect import Detector, ManyFaces, choose
from facegap.vision.embed import Embedder
from facegap.vision.embed import face_crop as embedder_crop
from facegap.vision.find import (
    Finder,
    WholePicture,
    find_each,
    find_faces,
    nothing_found,
    whole_for_box,
    whole_for_template,
)
from facegap.vision.service.client import Service
from facegap.vision.service.embed import template

POINT_COLUMNS = tuple(f"{point}_{axis}" for point in POINTS for axis in "xy")


BOX_COLUMNS = ("x1", "y1", "x2", "y2")


NO_DETECTOR = "no detector ran; the black box had to find the face itself"


EVERY_HALF_SECOND = Sampling()


NOT_SAID: Mapping[str, Any] = {"answer": "", "probability": np.nan}  # defaults of a categorical output


@dataclass(frozen=True)
class Stages:
    """The models and rules of a run; a black-box service may replace the classifier.

    detector : source of face positions: a model, a file of points, or the whole image; None: no detector
    """

    detector: Finder | None
    embedder: Embedder | None
    classifier: Classifier | None
    many_faces: ManyFaces = "largest"
    min_face_px: int = 12
    max_pixels: int = MAX_PIXELS
    colour: Colour = "managed"
    service: Service | None = None
    sampling: Sampling = EVERY_HALF_SECOND
    assessor: Assessor | None = None

    @property
    def dimension(self) -> int | None:
        """Return the numbers per template of an embedder or an embedding service; None without either."""
        if self.embedder is not None:
            return self.embedder.dimension
        answer = None if self.service is None else self.service.card.answer
        return None if answer is None else answer.dimension

    @property
    def categories(self) -> tuple[str, ...]:
        """Return the names of the outputs other than gender and age."""
        card = self.service.card if self.service else self.classifier.card if self.classifier else None
        return () if card is None else tuple(card.categories)

    def stop(self) -> None:
        """End the model processes and the calls to a service; work in progress ends with an error."""
        for model in (self.detector, self.embedder, self.classifier, self.assessor):
            if isinstance(model, Detector | Embedder | Classifier | Assessor):
                stop_model(model.session)
        if self.service is not None:
            self.service.stop()


@dataclass
class Row:
    """One image or video frame in progress; crops are discarded as soon as the models have processed them.

    template      : from a service, float32 (dimension,); None without one
    frame, time_s : of a video frame; None for an image, and for a video without frames
    """

    record: dict[str, Any]
    for_embedder: Pixels | None = None
    for_classifier: Pixels | None = None
    for_assessor: Pixels | None = None
    for_covariates: Sample | None = None
    template: NDArray[np.float32] | None = None
    spent_ns: dict[str, int] = field(default_factory=dict)
    frame: int | None = None
    time_s: float | None = None


def look_at_video(number: int, image: str, folder: Path, path: str, stages: Stages) -> list[Row]:
    """Find the face in each frame of a video; one row without a frame if the video cannot be decoded."""
    rows: list[Row] = []
    about: dict[str, Any] = {}
    begun = time.perf_counter_ns()
    for item in read_video(path, root=folder, sampling=stages.sampling, max_pixels=min(stages.max_pixels, MOST_PIXELS)):
        row = Row(empty_record(number, image, stages), spent_ns={"decode": time.perf_counter_ns() - begun})
        if isinstance(item, VideoFile):
            about = {"sha256": item.sha256, "stamp": item.stamp}
            continue
        row.record |= about
        if isinstance(item, Unreadable):
            row.record |= {"outcome": item.outcome, "detail": item.detail}
            return [row]
        row.frame, row.time_s = len(rows), item.time_s
        look_at_picture(row, item.picture, stages)
        rows.append(row)
        begun = time.perf_counter_ns()
    return rows


def look(number: int, image: str, folder: Path, path: str, stages: Stages) -> Row:
    """Decode one image, find its face and crop it; the outcome is always set."""
    row, picture = open_picture(number, image, folder, path, stages)
    if picture is not None:
        look_at_picture(row, picture, stages)
    return row


def open_picture(number: int, image: str, folder: Path, path: str, stages: Stages) -> tuple[Row, Picture | None]:
    """Decode one image, and send it if a service is used; the picture is None if nothing remains to be done."""
    started = time.perf_counter_ns()
    file = read_image(path, root=folder)
    picture = (
        file if isinstance(file, Unreadable) else decode(file.data, max_pixels=stages.max_pixels, colour=stages.colour)
    )
    decoded = time.perf_counter_ns()
    row = Row(empty_record(number, image, stages), spent_ns={"decode": decoded - started})
    if isinstance(file, ImageFile):
        row.record |= {"sha256": file.sha256, "stamp": file.stamp}
    if isinstance(picture, Unreadable):
        row.record |= {"outcome": picture.outcome, "detail": picture.detail}
        return row, None
    if isinstance(file, ImageFile):
        row.record["jpeg_quality"] = jpeg_quality(file.data)
        if stages.service:
            ask(row, file, stages.service)
    return row, picture if row.record["outcome"] == "ok" else None


def look_at_picture(row: Row, picture: Picture, stages: Stages) -> None:
    """Find the face in a decoded image and crop it."""
    look_at_pictures([(row, picture)], stages)


def look_at_pictures(opened: Sequence[tuple[Row, Picture]], stages: Stages) -> None:
    """Apply `look_at_picture` to several images, one step at a time."""
    if (detector := stages.detector) is None:
        for row, picture in opened:
            describe(row, picture)
            row.record["detail"] = NO_DETECTOR
        return
    begun = time.perf_counter_ns()
    found = find_each(detector, [row.record["image"] for row, _ in opened], [picture.pixels for _, picture in opened])
    share_time([row for row, _ in opened], "detect", begun)
    for (row, picture), faces in zip(opened, found, strict=True):
        describe(row, picture)
        begun = time.perf_counter_ns()
        take_face(row, picture, faces, stages)
        row.spent_ns["crop"] = time.perf_counter_ns() - begun


def share_time(rows: Sequence[Row], stage: str, started: int) -> None:
    """Divide the time since `started` equally among images processed together."""
    each = (time.perf_counter_ns() - started) // max(len(rows), 1)
    for row in rows:
        row.spent_ns[stage] = each


def describe(row: Row, picture: Picture) -> None:
    """Write the properties of a decoded image to its record."""
    height, width = picture.pixels.shape[:2]
    row.record |= {"width": width, "height": height, "colour": "grey" if picture.grey else "colour"}
    row.record |= {"profile": picture.profile, "converted": picture.converted}


def faces_of(row: Row, picture: Picture, stages: Stages) -> Faces | None:
    """Return the faces that the detector finds in a decoded image; None without a detector."""
    describe(row, picture)
    if stages.detector is None:
        row.record["detail"] = NO_DETECTOR
        return None
    begun = time.perf_counter_ns()
    faces = find_faces(stages.detector, row.record["image"], picture.pixels)
    row.spent_ns["detect"] = time.perf_counter_ns() - begun
    return faces


def ask(row: Row, file: ImageFile, service: Service) -> None:
    """Write a service's result for an image to its record; the file is sent unchanged, and only if it can be decoded."""
    started = time.perf_counter_ns()
    assert service.card.request is not None
    limit = service.card.request.largest_image_bytes
    if limit is not None and len(file.data) > limit:
        detail = f"{len(file.data):,} bytes, more than the service takes ({limit:,})"
        row.record |= {"outcome": "refused", "detail": detail}
        return
    if service.card.task == "embed":
        found = template(service, row.record["row"], file.data)
        row.spent_ns["embed"] = time.perf_counter_ns() - started
        row.template = found.vector
        row.record |= {"outcome": found.outcome, "detail": found.detail, "template_norm": found.norm}
        return
    said = service.ask(row.record["row"], file.data)
    row.spent_ns["classify"] = time.perf_counter_ns() - started
    row.record |= {
        "prediction": said.prediction,
        "probability": said.probability,
        "age": said.age,
        **{f"{name}_answer": word for name, (word, _) in said.categories.items()},
        **{f"{name}_probability": sure for name, (_, sure) in said.categories.items()},
        "age_low": said.age_low,
        "answer_detail": said.detail,
        "sent": said.sent,
    }


def empty_record(number: int, image: str, stages: Stages) -> dict[str, Any]:
    """Return an empty record of a row, with all columns, so that every part has the same columns."""
    return {
        "row": number,
        "image": image,
        "sha256": "",
        "stamp": "",
        "outcome": "ok",
        "detail": "",
        "width": None,
        "height": None,
        "colour": "",
        "profile": "",
        "converted": False,
        "faces": 0,
        "policy": "" if stages.detector is None else stages.many_faces,
        "score": np.nan,
        **dict.fromkeys((*BOX_COLUMNS, *POINT_COLUMNS, *COVARIATES, MODEL_QUALITY), np.nan),
        **{f"{name}_{part}": empty for name in stages.categories for part, empty in NOT_SAID.items()},
        "crop_missing": False,
        "prediction": "",
        "probability": np.nan,
        "age": np.nan,
        "age_low": np.nan,
        "answer_detail": "",
        "sent": True,
    }


def take_face(row: Row, picture: Picture, faces: Faces, stages: Stages) -> None:
    """Choose the face of an image and crop it; otherwise the outcome states the reason."""
    if (place := choose_face(row, picture, faces, stages)) is not None:
        cut_crops(row, picture.pixels, *place, stages)


def choose_face(row: Row, picture: Picture, faces: Faces, stages: Stages) -> tuple[FloatArray, FloatArray] | None:
    """Return box and points of the face to use; None if there is none, for the reason in the outcome."""
    height, width = picture.pixels.shape[:2]
    row.record["faces"] = len(faces)
    if not len(faces):
        row.record["outcome"], row.record["detail"] = nothing_found(stages.detector, row.record["image"])
        return None
    chosen = choose(faces, stages.many_faces, (width, height))
    if chosen is None:
        row.record |= {"outcome": "many_faces", "detail": f"{len(faces)} faces, with --many-faces refuse"}
        return None
    box, points = faces.boxes[chosen], faces.points[chosen]
    row.record |= {"score": faces.scores[chosen], **dict(zip(BOX_COLUMNS, box, strict=True))}
    row.record |= dict(zip(POINT_COLUMNS, points.ravel(), strict=True))
    row.for_covariates = sample(picture.pixels, box, points)
    shorter = float((box[2:] - box[:2]).min())
    if shorter < stages.min_face_px:
        row.record |= {"outcome": "too_small", "detail": f"{shorter:.1f} pixels, --min-face {stages.min_face_px}"}
        return None
    return box, points


def cut_crops(row: Row, pixels: Pixels, box: FloatArray, points: FloatArray, stages: Stages) -> None:
    """Crop the face of an image for each model."""
    height, width = pixels.shape[:2]
    if isinstance(stages.detector, WholePicture):
        take_whole(row, pixels, stages)
        return
    if stages.embedder:
        row.for_embedder = embedder_crop(stages.embedder, pixels, points)
        if row.for_embedder is None:
            row.record |= {"outcome": "no_template", "detail": "the detector's points do not determine a crop"}
    if stages.classifier:
        row.for_classifier = classifier_crop(stages.classifier, pixels, box)
        if row.for_classifier is None:
            row.record |= {"crop_missing": True, "answer_detail": too_small_for(stages.classifier, box, width, height)}
    if stages.assessor:
        row.for_assessor = assessor_crop(stages.assessor, pixels, box, points)


def take_whole(row: Row, pixels: Pixels, stages: Stages) -> None:
    """Use an image that is already a crop for each model."""
    image = row.record["image"]
    if stages.embedder:
        row.for_embedder = whole_for_template(pixels, stages.embedder.card, image)
    if stages.classifier:
        row.for_classifier = whole_for_box(pixels, stages.classifier.card, image)
    if stages.assessor:
        whole = whole_for_box if stages.assessor.card.crop else whole_for_template
        row.for_assessor = whole(pixels, stages.assessor.card, image)
