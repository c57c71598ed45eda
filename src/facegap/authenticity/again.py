"""Rerun a sample of a run's images through its models, and recompute its comparisons from the stored templates.

A sender can forge a run folder: invent predictions, derive tables from them, and hash everything again. Only the models and the
images reveal this. The checker chooses the sample, so the sender cannot know which rows must be correct.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.audit.model_checks import TASKS
from facegap.audit.models import ChosenModels, Loaded, open_models
from facegap.audit.pooling import frames_table
from facegap.audit.restored import cards_again
from facegap.audit.settings import ALIGNED, POINTS, AuditSettings, settings_from
from facegap.errors import RunError, SettingError
from facegap.inputs.images.decode import quiet_decoders
from facegap.inputs.points import GivenPoints, points_of
from facegap.runtime import usable_cores
from facegap.store.pooled import Pooled, media_codes, template_codes, units_of
from facegap.store.run import Run
from facegap.tables import MODEL_QUALITY, NEVER_SHOWN
from facegap.types import IntArray
from facegap.vision.find import WholePicture
from facegap.vision.pipeline import PART_ROWS, Part, run_parts
from facegap.vision.pool import pooled as pool

PROBABILITY_TOLERANCE = 1e-4
COSINE_TOLERANCE = 1e-4
AGE_TOLERANCE_YEARS = 0.01
OF_FACES = ("many_faces", "min_face", "colour", "frames_per_second", "max_frames")
QUALITY_TOLERANCE = (
    1e-3,
    1e-5,
)  # relative to the spread of the run's qualities and to the quality: each model has its own unit


@dataclass(frozen=True)
class Sample:
    """Result of rerunning a sample.

    rows      : manifest rows that were rerun, ascending
    differing : one sentence per row that gives a different result; rows are identified by number only
    limits    : what could not be checked, and why
    """

    rows: tuple[int, ...]
    differing: tuple[str, ...]
    limits: tuple[str, ...] = ()


def sample_again(
    run: Run,
    images: Path,
    models: Sequence[Path],
    size: int,
    rng: np.random.Generator,
    *,
    on_image: Callable[[], None] = lambda: None,
) -> Sample:
    """Rerun `size` randomly chosen images of those that a model processed in the run.

    images   : folder of the run's manifest
    models   : folders with the weights, which are identified by the sha256 in the run's cards
    on_image : called after each image

    The face's outcome and the predicted class must be equal. Probabilities must agree within 1e-4, ages within 0.01 years,
    qualities within a thousandth of their standard deviation, and templates to a cosine within 1e-4 of 1, because rounding
    differs between processors.

    Raises
    ------
    RunError               : If no model file was used in the run, or its cards or settings are invalid.
    RunError               : If an image lies outside `images`.
    FetchError, ModelError : If the weights cannot be found or run.
    """
    loaded = models_of(run, models)
    rows = sampled_rows(run, size, rng)
    chosen = run.by_image[0].iloc[rows].reset_index(drop=True)
    require_inside(chosen["path"], images)
    found = sorted(parts_of(chosen, images, loaded, on_image), key=lambda numbered: numbered[0])
    again = pd.concat([part.rows for _, part in found], ignore_index=True) if found else pd.DataFrame({"outcome": []})
    if len(again) and (again["outcome"] == "missing_file").all():
        raise RunError(f"{images}: contains none of the images to run again; give the folder of the run's manifest")
    vectors = [part.embeddings for _, part in found if part.embeddings is not None]
    differing = [*prediction_differences(run, rows, again, loaded), *template_differences(run, rows, again, vectors)]
    return Sample(tuple(rows.tolist()), tuple(differing), limits_of(run))


def sampled_rows(run: Run, size: int, rng: np.random.Generator) -> IntArray:
    """Return ascending rows to rerun, sampled from the images that a model processed, or all images of the sampled templates."""
    faces = run.by_image[1]
    shown = ~faces["outcome"].isin(NEVER_SHOWN).to_numpy(np.bool_)
    if run.pooled is None:
        rows = np.flatnonzero(shown)
        return np.sort(rng.choice(rows, size=min(size, len(rows)), replace=False)).astype(np.int64)
    codes, first = template_codes(run.pooled.manifest)
    images = np.bincount(codes[shown], minlength=len(first))
    order = rng.permutation(np.flatnonzero(images))
    count = int(
        np.searchsorted(np.cumsum(images[order]), size, side="right")
    )  # at least one template, else up to `size`
    return np.flatnonzero(shown & np.isin(codes, order[: max(count, 1)])).astype(np.int64)


def models_of(run: Run, folders: Sequence[Path]) -> Loaded:
    """Load the models of a run from its own cards and settings.

    Raises
    ------
    RunError : If no model can be rerun, or run.json contains an invalid card or setting.
    """
    request = run.record.request
    if request.audit != "images":
        raise RunError(
            "no model ran in this run: it evaluates results of a black box, which only the owner of the black box "
            "can reproduce"
        )
    cards = {task: card for task, card in cards_again(request).items() if card.backend == "onnx" and card.sha256}
    faces = faces_given_to(run)
    if "detect" not in cards and faces is None:
        raise RunError("no model of this run can be run again; services and Python functions are not called again")
    try:
        settings = settings_of(run, folders)
    except SettingError as error:
        raise RunError(f"run.json, settings: {error}") from error
    return open_models(ChosenModels(cards, dict.fromkeys(cards), faces=faces), settings)


def faces_given_to(run: Run) -> WholePicture | GivenPoints | None:
    """Return the faces of a run that used no detector: the stored points, or whole images."""
    named = None if run.record.request.card("detect") else run.record.models.get("detect")
    if named == ALIGNED:
        return WholePicture()
    return points_of(run.faces) if named == POINTS else None


def settings_of(run: Run, folders: Sequence[Path]) -> AuditSettings:
    """Return the settings of a run that determine the model input, and the local folders to search for weights."""
    recorded = {name: run.record.request.setting("faces", name) for name in OF_FACES}
    recorded["flip"] = run.record.request.setting("models", "flip")
    stated = {name: value for name, value in recorded.items() if value is not None}
    return settings_from({**stated, "models_dir": tuple(folders)})


def require_inside(paths: pd.Series[str], folder: Path) -> None:
    """Raise RunError if an image path leads outside the given folder."""
    root = folder.resolve()
    outside = [path for path in paths if not (folder / str(path)).resolve().is_relative_to(root)]
    if outside:
        raise RunError(f"{len(outside)} of the images to run again lie outside {folder}; nothing was opened")


def parts_of(
    chosen: pd.DataFrame, images: Path, loaded: Loaded, on_image: Callable[[], None]
) -> Iterator[tuple[int, Part]]:
    """Yield the parts of the sample as they finish."""
    with quiet_decoders():
        yield from run_parts(
            chosen,
            images,
            loaded.stages,
            workers=usable_cores(),
            todo=range(-(-len(chosen) // PART_ROWS)),
            on_image=on_image,
        )


def prediction_differences(run: Run, rows: IntArray, again: pd.DataFrame, loaded: Loaded) -> Iterator[str]:
    """Yield a sentence for each row whose face or prediction differs."""
    faces, predictions = run.by_image[1].iloc[rows], run.predictions
    qualities = run.by_image[1][MODEL_QUALITY].to_numpy(np.float64)
    slack = QUALITY_TOLERANCE[0] * float(pd.Series(qualities).std(ddof=0)) + QUALITY_TOLERANCE[1] * np.abs(qualities)
    for k, row in enumerate(rows.tolist()):
        now, then = again.iloc[k], faces.iloc[k]
        if now["outcome"] != then["outcome"]:
            yield f"row {row}: the outcome was {then['outcome']} and is now {now['outcome']}"
            continue
        if loaded.stages.classifier is not None:
            yield from classifier_differences(row, predictions.iloc[row], now)
        if loaded.stages.assessor is not None and not agrees(now[MODEL_QUALITY], then[MODEL_QUALITY], slack[row]):
            yield f"row {row}: the quality was {then[MODEL_QUALITY]:.6g} and is now {now[MODEL_QUALITY]:.6g}"


def classifier_differences(row: int, then: pd.Series, now: pd.Series) -> Iterator[str]:
    """Yield a sentence if the classifier's output for an image differs."""
    if now["prediction"] != then["prediction"]:
        yield f"row {row}: the predicted class was {then['prediction'] or 'none'} and is now {now['prediction'] or 'none'}"
    elif not agrees(now["probability"], then["probability"], PROBABILITY_TOLERANCE):
        yield f"row {row}: the probability was {then['probability']:.6f} and is now {now['probability']:.6f}"
    elif not agrees(now["age"], then["age"], AGE_TOLERANCE_YEARS):
        yield f"row {row}: the age was {then['age']:.3f} and is now {now['age']:.3f}"


def agrees(now: float, then: float, tolerance: float) -> bool:
    """Return whether two numbers agree within a tolerance; two missing values agree."""
    return bool(np.isclose(float(now), float(then), rtol=0.0, atol=tolerance, equal_nan=True))


def template_differences(
    run: Run, rows: IntArray, again: pd.DataFrame, vectors: Sequence[NDArray[np.float32]]
) -> Iterator[str]:
    """Yield a sentence for each row whose template differs from the stored one."""
    if run.embeddings is None or not vectors:
        return
    templates = np.concatenate(vectors)
    if run.pooled is not None:
        row_of, outcomes = units_of(again, frames_table(again))
        yield from pooled_template_differences(run, run.pooled, rows[row_of[outcomes == "ok"]], templates)
        return
    place = np.where(again["outcome"] == "ok", np.cumsum(again["outcome"] == "ok") - 1, -1)
    stored = run.faces["embedding_row"].to_numpy(np.int64)[rows]
    for row, new, old in zip(rows.tolist(), place.tolist(), stored.tolist(), strict=True):
        if new < 0 or old < 0:  # the difference in outcome is already reported
            continue
        cosine = float(templates[new].astype(np.float64) @ run.embeddings[old].astype(np.float64))
        if not cosine >= 1 - COSINE_TOLERANCE:
            yield f"row {row}: the template has a cosine of {cosine:.6f} with the stored one"


def pooled_template_differences(
    run: Run, pooled: Pooled, rows: IntArray, vectors: NDArray[np.float32]
) -> Iterator[str]:
    """Yield a sentence for each template that differs from the stored one when it is pooled again from its frames.

    rows : file position of each usable frame of the sampled templates, int64 (n,); vectors : float32 (n, dimension)
    """
    assert run.embeddings is not None
    codes, _ = template_codes(pooled.manifest)
    found = pool(vectors, codes[rows], media_codes(pooled.manifest)[rows])
    stored = pooled.templates["embedding_row"].to_numpy(np.int64)
    for template, vector in zip(np.unique(codes[rows]).tolist(), found, strict=True):
        if stored[template] < 0:  # the outcomes of its images are already reported
            continue
        cosine = float(vector.astype(np.float64) @ run.embeddings[stored[template]].astype(np.float64))
        if not cosine >= 1 - COSINE_TOLERANCE:
            yield f"template {template}: pooled again, it has a cosine of {cosine:.6f} with the stored one"


def limits_of(run: Run) -> tuple[str, ...]:
    """Describe what a sample of this run cannot show."""
    services = [task for task in TASKS if (card := run.record.request.card(task)) and card.get("backend") != "onnx"]
    limits = [f"the model for {task} is a service or a Python function and was not called again" for task in services]
    if isinstance(faces_given_to(run), GivenPoints):
        limits.append(
            "the points of the faces are those stored in the run; the file that they came from was not read again"
        )
    if run.matched is not None and run.embeddings is None:
        limits.append("the run contains no templates (--no-embeddings), so none could be compared")
    return tuple(limits)
