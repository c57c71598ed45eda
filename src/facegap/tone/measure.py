"""`facegap tone`: measured skin tones of the photographs of a manifest, one row for each, whatever its outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from facegap.audit.models import ChosenModels, Loaded, choose_models, open_models
from facegap.audit.on_cluster import on_workers, opened_cluster
from facegap.audit.on_cluster.worker import Job, Sent
from facegap.audit.run import Counter, Progress
from facegap.audit.settings import AuditSettings
from facegap.errors import ModelError, RunError
from facegap.groups.lab import hue, ita, nearest_monk
from facegap.groups.prior import Prior, darker_probability, learnt_prior
from facegap.groups.scales import ITA_CUT
from facegap.groups.skin import HEIGHT, TEMPLATE, WIDTH
from facegap.groups.tone import SURE, Measurement, called, measure, pooled
from facegap.inputs.images.decode import Picture, Pixels, Unreadable, quiet_decoders, read_picture
from facegap.inputs.manifests.read import Manifest, read_manifest
from facegap.inputs.points import GivenPoints
from facegap.report.tables import TextTable
from facegap.report.text import number
from facegap.store.run import write_parquet
from facegap.tables import MEASURED_TONES, TONE, TONE_OUTCOMES, check
from facegap.types import BoolArray, FloatArray
from facegap.vision import pipeline
from facegap.vision.align import similarity
from facegap.vision.find import find_faces
from facegap.vision.look import POINT_COLUMNS, Row, Stages, empty_record, take_face

THUMBNAIL = 256  # pixels of the longer side; enough to estimate the light of a whole picture
ROWS_AT_ONCE = 1024  # bounds the queue of the workers
TAKEN_OVER = ("row", "line", "image", "subject")
NUMBERS = tuple(name for name, column in TONE.columns.items() if column.kind == "float")
POINT_REASON = "the detector's points do not determine a crop"


@dataclass(frozen=True)
class Toned:
    """Outcome of one image; `measurement` is None unless the outcome is measured."""

    outcome: str
    detail: str
    measurement: Measurement | None = None


def measure_manifest(
    manifest: Path,
    settings: AuditSettings,
    *,
    out: Path,
    cut: float = ITA_CUT,
    prior: Prior = "manifest",
    pool: bool = False,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> pd.DataFrame:
    """Measure the skin tone in every photograph of a manifest and write the table TONE to `out`, mode 0600.

    settings : the detector, the rows, and the choice of face
    cut  : degrees of ITA; above it a tone is lighter
    prior: "manifest": the distribution of tones is estimated from the photographs of the manifest, without labels;
           "flat": uniform
    pool : base the values of each subject on all of the subject's photographs instead of on one

    Raises
    ------
    RunError   : if `out` exists and `overwrite` is not set, its folder is missing, or a part failed on the workers of a cluster
    TableError : see `read_manifest`
    CardError, FetchError, ModelError, DeviceError : see `load_models`; also if a detector returns no landmarks
    ClusterError, MatchingError : if a cluster cannot be used; see `facegap.audit.on_cluster.parts.opened_cluster`
    """
    require_free(out, overwrite=overwrite)
    faces = settings.faces
    table = read_manifest(
        manifest, allow_outside=faces.allow_outside, where=settings.groups.where, images_dir=faces.images_dir
    )
    chosen = choose_models(settings)
    require_points(chosen, settings)
    counter = Counter(len(table.frame), progress)
    with opened_cluster(settings, chosen.cards) as cluster:
        loaded = open_models(chosen, settings)
        try:
            found = measured_on(table, on_workers(loaded, cluster), settings, counter)
        finally:
            loaded.close()
    if pool:
        found = pooled_rows(found, table.frame["subject"].tolist())
    frame = tone_table(table.frame, found, cut, prior)
    write_parquet(out, frame, TONE)
    return frame


def require_free(out: Path, *, overwrite: bool) -> None:
    """Raise RunError unless the file can be written without overwriting another."""
    if out.is_dir() or not out.parent.is_dir():
        raise RunError(f"{out}: a folder, or in a folder that does not exist; give a file, such as tone.parquet")
    if out.exists() and not overwrite:
        raise RunError(f"{out}: already exists; choose another --out, or replace it with --overwrite")


def require_points(chosen: ChosenModels, settings: AuditSettings) -> None:
    """Raise ModelError unless five landmarks of each face are known."""
    spec = chosen.cards["detect"].detector if "detect" in chosen.cards else None
    if not isinstance(chosen.faces, GivenPoints) and (spec is None or not spec.points):
        raise ModelError(
            f"--detect {settings.detect}: skin is sampled around five points, which it does not return; use yunet, "
            f"or --points FILE"
        )


def measured_on(table: Manifest, loaded: Loaded, settings: AuditSettings, counter: Counter) -> list[Toned]:
    """Outcome of each row of the manifest, in its order, from this process or the workers of a cluster."""
    if loaded.cluster is None:
        return list(measured_rows(table, loaded.stages, loaded.execution.workers, counter))
    todo = range(-(-len(table.frame) // pipeline.PART_ROWS))
    parts = dict(loaded.cluster.run_parts(table, loaded, settings, todo, MEASURE, on_image=counter.add))
    for said in loaded.cluster.mixed_warnings():
        settings.output.notice(said)
    return [toned for number in todo for toned in parts[number]]


def measured_part(rows: pd.DataFrame, folder: Path, stages: Stages) -> list[Toned]:
    """Outcome of the rows of one part on a worker."""
    files = zip(rows["image"].astype(str), rows["path"].astype(str), strict=True)
    return [measured(folder, image, path, stages) for image, path in files]


def as_in_the_folder(part: Sequence[Toned], sent: Sequence[Sent | Unreadable]) -> list[Toned]:
    """A part whose files were sent, with their paths in the local folder."""
    return [
        Toned(one.outcome, one.detail) if isinstance(one, Unreadable) else toned
        for toned, one in zip(part, sent, strict=True)
    ]


MEASURE = Job(measured_part, as_in_the_folder)


def measured_rows(table: Manifest, stages: Stages, workers: int, counter: Counter) -> Iterator[Toned]:
    """Outcome of each row of the manifest, in its order."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # each worker has its own images; more threads would only compete
    files = list(zip(table.frame["image"].astype(str), table.frame["path"].astype(str), strict=True))
    try:
        with quiet_decoders(), ThreadPoolExecutor(workers, thread_name_prefix="facegap") as pool:
            for start in range(0, len(files), ROWS_AT_ONCE):
                chunk = files[start : start + ROWS_AT_ONCE]
                yield from pool.map(lambda file: counted(table.folder, file[0], file[1], stages, counter.add), chunk)
    finally:
        cv2.setNumThreads(threads)


def counted(folder: Path, image: str, path: str, stages: Stages, done: Callable[[], None]) -> Toned:
    """Measure one image and advance the progress bar."""
    toned = measured(folder, image, path, stages)
    done()
    return toned


def measured(folder: Path, image: str, path: str, stages: Stages) -> Toned:
    """Decode one image, find its face and measure its skin; there is always an outcome."""
    picture = read_picture(path, root=folder, max_pixels=stages.max_pixels)
    if isinstance(picture, Unreadable):
        return Toned(picture.outcome, picture.detail)
    assert stages.detector is not None
    row = Row(empty_record(0, image, stages))
    take_face(row, picture, find_faces(stages.detector, image, picture.pixels), stages)
    if row.record["outcome"] != "ok":
        return Toned(row.record["outcome"], row.record["detail"])
    if picture.grey:
        return Toned("grey", "every pixel is grey, so there is no information about colour")
    points = np.array([row.record[name] for name in POINT_COLUMNS], np.float64).reshape(5, 2)
    face = framed(picture, points)
    if face is None:
        return Toned("no_skin", POINT_REASON)
    found = measure(*face, thumbnail(picture.pixels))
    return Toned("no_skin", found) if isinstance(found, str) else Toned("measured", "", found)


def framed(picture: Picture, points: FloatArray) -> tuple[Pixels, BoolArray] | None:
    """The face aligned to the frame for skin segmentation, RGB, and which of its pixels lie in the picture.

    None if the landmarks do not determine an alignment. A face larger than the frame is downsampled by averaging, so
    that every pixel contributes.
    """
    pixels = picture.pixels
    matrix = similarity(points, TEMPLATE)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if not np.isfinite(matrix).all() or scale <= 0:
        return None
    inside = cv2.warpAffine(np.full(pixels.shape[:2], 1, np.uint8), matrix, (WIDTH, HEIGHT), flags=cv2.INTER_NEAREST)
    if scale < 1:  # INTER_AREA in warpAffine is bilinear, which would skip pixels
        size = tuple(max(1, round(side * scale)) for side in pixels.shape[1::-1])
        factors = (size[0] / pixels.shape[1], size[1] / pixels.shape[0])
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        # Pixel centres, not corners, are at integers.
        matrix = similarity((points + 0.5) * factors - 0.5, TEMPLATE)
    crop = cv2.warpAffine(pixels, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(crop[..., ::-1], np.uint8), np.asarray(inside > 0)


def thumbnail(pixels: Pixels) -> Pixels:
    """The whole picture, RGB, downsampled by averaging."""
    height, width = pixels.shape[:2]
    scale = min(1.0, THUMBNAIL / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
    return np.ascontiguousarray(small[..., ::-1], np.uint8)


def pooled_rows(found: Sequence[Toned], subjects: Sequence[str]) -> list[Toned]:
    """Each measured row with the pooled measurement of all photographs of its subject."""
    photographs: dict[str, list[Measurement]] = {}
    for toned, subject in zip(found, subjects, strict=True):
        if toned.measurement is not None:
            photographs.setdefault(subject, []).append(toned.measurement)
    together = {subject: pooled(measurements) for subject, measurements in photographs.items()}
    return [
        toned
        if toned.measurement is None
        else replace(toned, measurement=with_pooled(toned.measurement, together[subject]))
        for toned, subject in zip(found, subjects, strict=True)
    ]


def with_pooled(own: Measurement, together: Measurement) -> Measurement:
    """The pooled tone, with the values that belong to this photograph."""
    return replace(own, ita=together.ita, ita_sd=together.ita_sd, lab=together.lab, photographs=together.photographs)


def tone_table(manifest: pd.DataFrame, found: Sequence[Toned], cut: float, prior: Prior) -> pd.DataFrame:
    """The table TONE of a manifest."""
    frame = pd.DataFrame([record_of(toned) for toned in found])
    for name in TAKEN_OVER:
        frame[name] = manifest[name].to_numpy()
    measured = (frame["outcome"] == "measured").to_numpy()
    value, deviation = (frame.loc[measured, name].to_numpy(np.float64) for name in ("measured_ita", "ita_sd"))
    spread = learnt_prior(value, deviation) if prior == "manifest" else None
    darker = darker_probability(value, deviation, cut, spread)
    frame["darker_probability"], frame["measured_tone"] = np.nan, ""
    frame.loc[measured, "darker_probability"] = darker
    frame.loc[measured, "measured_tone"] = [called(float(probability)) for probability in darker]
    return check(frame, TONE, "tone")


def record_of(toned: Toned) -> dict[str, Any]:
    """The columns of one measurement; NaN and empty if there is none."""
    said = {"outcome": toned.outcome, "detail": toned.detail}
    found = toned.measurement
    if found is None:
        return said | dict.fromkeys(NUMBERS, np.nan) | {"exposure": "", "measured_monk": None, "photographs": 0}
    l_star, a_star, b_star = (float(value) for value in found.photographed)
    monk, distance = nearest_monk(found.lab)
    return said | {
        "l_star": l_star,
        "a_star": a_star,
        "b_star": b_star,
        "ita": float(ita(l_star, b_star)),
        "measured_ita": found.ita,
        "ita_sd": found.ita_sd,
        "hue": float(hue(a_star, b_star)),
        "patch_spread": found.patch_spread,
        "usable_fraction": found.usable_fraction,
        "exposure": " ".join(found.exposure),
        "measured_monk": int(monk),
        "monk_distance": float(distance),
        "photographs": found.photographs,
    }


def tone_summary(frame: pd.DataFrame, out: Path) -> list[TextTable]:
    """Outcomes of the images, and tones assigned to the measured ones."""
    outcomes = frame["outcome"].value_counts()
    rows = tuple((outcome, str(outcomes[outcome])) for outcome in TONE_OUTCOMES if outcome in outcomes)
    tables = [TextTable("images", ("outcome", "images"), rows)]
    measured = frame[frame["outcome"] == "measured"]
    if not len(measured):
        return tables
    called = tuple(
        (tone, str(len(group)), number(group["measured_ita"].median(), 0), number(group["ita_sd"].median(), 0))
        for tone, group in ((tone, measured[measured["measured_tone"] == tone]) for tone in MEASURED_TONES if tone)
    )
    notes = (
        "Measured from the light in photographs; not how the person is perceived, and not race. ITA and its "
        "uncertainty in degrees.",
        f"unknown: neither lighter nor darker with a probability of {SURE:.0%}.",
        f"written to {out}",
    )
    columns = ("measured tone", "images", "median ITA", "median uncertainty")
    return [*tables, TextTable("measured tone", columns, called, notes=notes)]
