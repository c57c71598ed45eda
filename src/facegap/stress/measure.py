"""Run the models on every image at every dose: decoded once, perturbed in memory before face detection.

Parts of the manifest are committed one by one, as in an audit, so that an interrupted stress test can be resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facegap.audit.kept_parts import changed_images, changed_sentence
from facegap.audit.models import Loaded
from facegap.audit.run import Counter, rows_in
from facegap.errors import ModelError, RunError
from facegap.inputs.images.decode import ImageFile, Picture, Unreadable, decode, quiet_decoders, read_image
from facegap.inputs.manifests.read import Manifest
from facegap.store.parts import committed_parts, read_part, write_part
from facegap.stress.perturb import Dose, Place, perturbed
from facegap.types import FloatArray
from facegap.vision.find import WholePicture, find_faces
from facegap.vision.look import POINT_COLUMNS, Row, Stages, empty_record, take_face
from facegap.vision.pipeline import Part, classify_all, embed_all, run_parts

PART_ROWS = 16  # each row needs memory for a crop per dose and model
NONE = "none"  # name for the unperturbed image
NO_PLACE = "no face in the unperturbed image, so the dose cannot be defined by the inter-eye distance"
KEPT = (
    "row",
    "image",
    "perturbation",
    "dose",
    "outcome",
    "detail",
    "prediction",
    "probability",
    "age",
    "sha256",
    "stamp",
)


def stressed_part(
    rows: pd.DataFrame,
    folder: Path,
    stages: Stages,
    on_image: Callable[[], None],
    *,
    doses: Sequence[Dose],
    seed: int,
) -> Part:
    """Some rows of a manifest: each image without perturbation, then at every dose."""
    images: list[Row] = []
    for number, image, path in zip(rows["row"], rows["image"], rows["path"], strict=True):
        file = read_image(str(path), root=folder)
        picture: Picture | Unreadable = (
            file
            if isinstance(file, Unreadable)
            else decode(file.data, max_pixels=stages.max_pixels, colour=stages.colour)
        )
        begin = empty_record(int(number), str(image), stages) | {"perturbation": NONE, "dose": np.nan}
        begin |= {"sha256": file.sha256, "stamp": file.stamp} if isinstance(file, ImageFile) else {}
        plain = shown(begin, picture, stages)
        images.append(plain)
        place = place_of(plain.record, stages)
        for dose in doses:
            named = begin | {"perturbation": dose.name, "dose": dose.amount}
            images.append(at_dose(named, picture, dose, place, stages, seed))
        on_image()
    embeddings = embed_all(images, stages.embedder) if stages.embedder else None
    if stages.classifier:
        classify_all(images, stages.classifier)
    return Part(pd.DataFrame([{name: row.record[name] for name in KEPT} for row in images]), embeddings)


def shown(record: dict[str, Any], picture: Picture | Unreadable, stages: Stages) -> Row:
    """A picture with its face detected and cropped; always sets the outcome."""
    row = Row(dict(record))
    if isinstance(picture, Unreadable):
        row.record |= {"outcome": picture.outcome, "detail": picture.detail}
        return row
    assert stages.detector is not None
    take_face(row, picture, find_faces(stages.detector, str(record["image"]), picture.pixels), stages)
    return row


def at_dose(
    record: dict[str, Any], picture: Picture | Unreadable, dose: Dose, place: Place, stages: Stages, seed: int
) -> Row:
    """A perturbed picture; if there is no face to define the dose, the face counts as lost."""
    if isinstance(picture, Unreadable):
        return shown(record, picture, stages)
    if dose.of.by_eyes and not np.isfinite(place.inter_eye_px):
        return Row(record | {"outcome": "no_face", "detail": NO_PLACE})
    pixels = perturbed(picture.pixels, dose, place, seed=seed, sha256=str(record["sha256"]))
    return shown(record, replace(picture, pixels=pixels), stages)


def place_of(record: dict[str, Any], stages: Stages) -> Place:
    """Position of the face in the unperturbed picture: its points, or those of the template for an aligned crop."""
    points: FloatArray = np.array([record[name] for name in POINT_COLUMNS], np.float64).reshape(5, 2)
    if isinstance(stages.detector, WholePicture) and stages.embedder is not None:
        points = stages.embedder.template
    distance = float(np.linalg.norm(points[1] - points[0]))

    return Place(points, distance if distance > 0 else np.nan)


def require_measurable(loaded: Loaded, doses: Sequence[Dose]) -> None:
    """Fail before the first image if a dose cannot be applied to the faces of a run.

    Raises
    ------
    ModelError : a dose relative to the inter-eye distance without points, or a moving face with given points
    """
    stages = loaded.stages
    card = loaded.cards.get("detect")
    pointless = card is not None and card.detector is not None and not card.detector.points
    pointless = pointless or (isinstance(stages.detector, WholePicture) and stages.embedder is None)
    for dose in doses:
        if dose.of.by_eyes and pointless:
            raise ModelError(
                f"--perturb {dose.name}: its dose is defined by the inter-eye distance, but no points of the faces "
                f"are known; use "
                "--detect yunet or --points FILE"
            )
        if dose.of.moves and card is None:
            raise ModelError(
                f"--perturb {dose.name} moves the face, so a detector must find it again; use --detect yunet"
            )


def measure(
    folder: Path,
    table: Manifest,
    loaded: Loaded,
    doses: Sequence[Dose],
    *,
    seed: int,
    progress: Callable[[int, int], None],
) -> pd.DataFrame:
    """Run every part that is not committed yet; return the rows of all parts, a record per image and dose.

    Raises
    ------
    RunError : an image of a committed part has changed since it was processed
    """
    import cv2

    rows, embedded = len(table.frame), loaded.stages.embedder is not None
    parts = -(-rows // PART_ROWS)
    committed = kept(folder, table, 1 + len(doses), embedded=embedded)
    todo = [number for number in range(parts) if number not in committed]
    counter = Counter(rows, progress, rows - rows_in(todo, rows, PART_ROWS))
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # workers already run in parallel
    try:
        with quiet_decoders():
            for number, part in run_parts(
                table.frame,
                table.folder,
                loaded.stages,
                workers=loaded.execution.workers,
                todo=todo,
                part_rows=PART_ROWS,
                on_image=counter.add,
                work=partial(stressed_part, doses=doses, seed=seed),
            ):
                write_part(folder, number, part.rows, part.embeddings)
    finally:
        cv2.setNumThreads(threads)
    return pd.concat([read_part(folder, number) for number in range(parts)], ignore_index=True)


def kept(folder: Path, table: Manifest, each: int, *, embedded: bool) -> set[int]:
    """Numbers of the finished parts whose images are unchanged."""
    found, changed = set(), []
    for number in sorted(committed_parts(folder, embedded=embedded)):
        chunk = table.frame.iloc[number * PART_ROWS : (number + 1) * PART_ROWS]
        try:
            rows = read_part(folder, number).iloc[::each]
            fits = len(chunk) and rows["row"].tolist() == chunk["row"].tolist()
        except (OSError, ValueError, KeyError, RunError):
            continue
        if fits:
            found.add(number)
            changed += list(changed_images(rows, chunk, table.folder))
    if changed:
        raise RunError(changed_sentence(changed, table))
    return found
