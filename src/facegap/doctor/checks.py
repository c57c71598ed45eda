"""Checks that need no labelled people: face detection, output values, batches and mirror images.

They cannot show that colour, scale or crop are correct. They can show that something is wrong: templates that hardly
depend on the face, or a face that is more similar to other people than to its own mirror image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pandas as pd

from facegap.audit.models import name_of_faces
from facegap.doctor.alternatives import Variant, variants
from facegap.doctor.diagnose import Options, Progress, Steps, open_finder, require_settings
from facegap.doctor.sample import LEAST_SUBJECTS
from facegap.doctor.trials import Ready, crop, face_of, ready
from facegap.errors import CardError
from facegap.inputs.cards.read import find_card
from facegap.inputs.cards.weights import models_folders, read_weights
from facegap.inputs.images.decode import MAX_PIXELS, Picture, Pixels, quiet_decoders, read_picture
from facegap.inputs.manifests.read import read_manifest
from facegap.types import AnyArray, FloatArray
from facegap.vision import assess, classify, embed
from facegap.vision.find import Finder
from facegap.vision.look import Stages
from facegap.vision.rehearsal import agree

MOST_IMAGES = 40  # of the manifest; more would not change the result
STEPS = 2
LEAST_FACES = 0.5  # of the images; with fewer, check the detector, its threshold or the manifest
# Measured on 24 photographs of 12 legislators with mobileface_v2, mobileface_v3 and face_reid_0095: the median cosine of
# two people is 0.00 to 0.07 with the card's settings, at most 0.40 with a wrong colour order or crop, and 0.90 to 1.00 with a
# scale that removes nearly all contrast. With the card's settings, 24 of 24 faces pass the mirror check.
ALIKE = 0.85  # median cosine between templates of different people that fails
OWN_MIRROR = 0.9  # of the faces must be more similar to their own mirror image than to any other person's face
SAME_CLASS = 0.75  # of the faces must get the same class when mirrored; two random classes agree for 0.5
BLURRED_LOWER = 0.75  # of the faces must get a lower quality when blurred; a score that ignores blur gives 0.5
BLUR = 0.05  # standard deviation of the blur as a fraction of the crop's width
LEAST_TEMPLATES, LEAST_ANSWERS = 5, 10  # faces; with fewer, a single outlier would decide

State = Literal["in order", "not in order", "not checked"]


@dataclass(frozen=True)
class Check:
    """A check, its result, and what was found."""

    name: str
    state: State
    said: str


@dataclass(frozen=True)
class Checks:
    """The checks of a card whose settings were not evaluated.

    reason    : why the settings could not be evaluated
    unchecked : the settings that could not be checked
    images    : number of images that were checked
    """

    card: str
    detector: str
    reason: str
    checks: tuple[Check, ...]
    unchecked: tuple[str, ...]
    images: int
    needed: str
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """The failed checks."""
        return tuple(one for one in self.checks if one.state == "not in order")

    def as_record(self) -> dict[str, Any]:
        """The checks as JSON values."""
        return {
            "model": self.card,
            "verdict": "settings not evaluated",
            "reason": self.reason,
            "needed": self.needed,
            "not_checked": list(self.unchecked),
            "images": self.images,
            "detector": self.detector,
            "checks": [vars(one) for one in self.checks],
        }


def check_basics(
    model: str,
    manifest: Path,
    options: Options,
    *,
    reason: str,
    where: str | None = None,
    allow_outside: bool = False,
    images_dir: Path | None = None,
    progress: Progress = lambda done, total: None,
    announce: Callable[[str], None] = lambda text: None,
) -> Checks:
    """Run the checks that need neither labels nor two photographs per person; nothing is stored.

    model  : name or path of a card, or of weights that a card describes
    reason : why the settings cannot be evaluated, shown to the reader

    Raises
    ------
    CardError, FetchError, ModelError, DeviceError, TableError : as `examine`
    """
    card, given = find_card(model)
    if card is None:
        raise CardError(f"{model}: no card describes this file, so there are no settings to check")
    require_settings(card)
    steps = Steps(STEPS, announce)
    table = read_manifest(manifest, allow_outside=allow_outside, where=where, images_dir=images_dir)
    finder = open_finder(options, card)
    content = read_weights(card, models_folders(options.folders), given)
    session = options.opened(content, card.name, str(card.file))
    rows = some_rows(table.frame, np.random.default_rng(options.seed))
    (one,) = ready([Variant("the card", "as the card says", card)], session, flip=options.flip)
    steps.begin(f"find the faces of {len(rows):,} images")
    outcomes, crops = faces_of(rows, table.folder, finder, one, progress)
    placed = [k for k, pixels in enumerate(crops) if pixels is not None]
    names = rows["subject"].to_numpy(dtype=object)[placed]
    given_crops = [pixels for pixels in crops if pixels is not None]
    steps.begin(f"run the model on {len(given_crops):,} faces and their mirror images, alone and in batches")
    found = [faces_found(outcomes), *model_checks(one, given_crops, names)]
    tried = dict.fromkeys(other.aspect for other in variants(card)[1:])
    return Checks(
        card.name,
        name_of_faces(finder),
        reason,
        tuple(found),
        tuple(tried),
        len(rows),
        needed_for(card.task),
        table.warnings,
    )


def needed_for(task: str) -> str:
    """What a manifest needs for settings to be evaluated."""
    if task == "quality":
        return "an audit with --embed; its errors must decrease as images of low quality are discarded"
    if task == "embed":
        return f"column subject, and at least {LEAST_SUBJECTS} people with two photographs each"
    return f"column gender (with both genders) or age, and at least {LEAST_SUBJECTS} people"


def some_rows(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """At most MOST_IMAGES random rows in the manifest's order; one image of every subject is preferred."""
    shuffled = frame.iloc[rng.permutation(len(frame))]
    turn = shuffled.groupby("subject").cumcount()
    return shuffled.loc[turn.sort_values(kind="stable").index].head(MOST_IMAGES).sort_index()


def faces_of(
    rows: pd.DataFrame, folder: Path, finder: Finder, one: Ready, progress: Progress
) -> tuple[list[str], list[Pixels | None]]:
    """Outcome of each image, and its face prepared as the card says."""
    outcomes: list[str] = []
    crops: list[Pixels | None] = []
    stages = Stages(finder, None, None)
    with quiet_decoders():
        for image, path in zip(rows["image"], rows["path"], strict=True):
            picture = read_picture(str(path), root=folder, max_pixels=MAX_PIXELS)
            record = face_of(picture, str(image), stages)
            outcomes.append(str(record["outcome"]))
            face = None
            if isinstance(picture, Picture) and record["outcome"] == "ok":
                face = crop(one, picture.pixels, record, finder)
            crops.append(face)
            progress(len(outcomes), len(rows))
    return outcomes, crops


def faces_found(outcomes: Sequence[str]) -> Check:
    """Whether the detector finds faces at all."""
    usable = sum(outcome == "ok" for outcome in outcomes)
    lost = ", ".join(f"{count} {word}" for word, count in sorted(Counter(outcomes).items()) if word != "ok")
    fine = usable > 0 and usable >= LEAST_FACES * len(outcomes)
    said = f"{usable} of {len(outcomes)} images" + (f"; {lost}" if lost else "")
    return Check("face found", "in order" if fine else "not in order", said)


def model_checks(one: Ready, crops: Sequence[Pixels], names: AnyArray) -> list[Check]:
    """Checks of the model's outputs for these faces."""
    if not crops:
        return [Check("the model's outputs", "not checked", "no face to run it on")]
    mirrored = [np.ascontiguousarray(pixels[:, ::-1]) for pixels in crops]
    if isinstance(one.model, embed.Embedder):
        model = one.model
        alone, batch, mirror = (
            embed.raw_embeddings(replace(model, rows_per_run=rows), shown).astype(np.float64)
            for rows, shown in ((1, crops), (model.rows_per_run, crops), (model.rows_per_run, mirrored))
        )
        return [
            norms(alone),
            same_in_batch(alone, batch, model.rows_per_run),
            people_apart(alone, names),
            own_mirror(alone, mirror, names),
        ]
    if isinstance(one.model, assess.Assessor):
        return quality_checks(one.model, crops, mirrored)
    alone, batch = (values(one.model, crops, rows) for rows in (1, one.model.rows_per_run))
    return [
        numbers(alone),
        same_in_batch(alone, batch, one.model.rows_per_run),
        same_answer(classify.classify(one.model, crops), classify.classify(one.model, mirrored)),
    ]


def quality_checks(model: assess.Assessor, crops: Sequence[Pixels], mirrored: Sequence[Pixels]) -> list[Check]:
    """Checks of a quality model's outputs for these faces, their mirror images, and blurred copies."""
    blur = BLUR * crops[0].shape[1]
    blurred = [np.asarray(cv2.GaussianBlur(pixels, (0, 0), blur), np.uint8) for pixels in crops]
    alone, batch, mirror, soft = (
        assess.assess(replace(model, rows_per_run=rows), shown)
        for rows, shown in (
            (1, crops),
            *((model.rows_per_run, shown) for shown in (crops, mirrored, blurred)),
        )
    )
    return [
        numbers(alone[:, None]),
        same_in_batch(alone[:, None], batch[:, None], model.rows_per_run),
        mirror_of_quality(alone, mirror),
        lower_when_blurred(alone, soft),
    ]


def mirror_of_quality(plain: FloatArray, mirror: FloatArray) -> Check:
    """Difference between the quality of a face and of its mirror image, compared with the spread between faces."""
    apart = float(np.median(np.abs(plain - mirror)))
    spread = float(np.std(plain))
    if not (len(plain) >= LEAST_ANSWERS and np.isfinite([apart, spread]).all()):
        return Check(
            "mirror image", "not checked", f"{len(plain)} faces, at least {LEAST_ANSWERS} with finite values needed"
        )
    said = f"qualities differ by {apart:.3g} (median); the standard deviation over faces is {spread:.3g}"
    return Check("mirror image", "in order" if apart <= spread else "not in order", said)


def lower_when_blurred(plain: FloatArray, blurred: FloatArray) -> Check:
    """Whether blurred faces get a lower quality; higher must mean better."""
    usable = np.isfinite(plain) & np.isfinite(blurred)
    if usable.sum() < LEAST_ANSWERS:
        return Check(
            "blurred faces", "not checked", f"{len(plain)} faces, at least {LEAST_ANSWERS} with finite values needed"
        )
    lower = int((blurred[usable] < plain[usable]).sum())
    fine = lower >= BLURRED_LOWER * usable.sum()
    said = f"lower quality for {lower} of {int(usable.sum())}"
    return Check("blurred faces", "in order" if fine else "not in order", said)


def values(model: classify.Classifier, crops: Sequence[Pixels], rows: int) -> FloatArray:
    """The values that the card reads, computed for `rows` faces at a time."""
    parts = [np.hstack(classify.values_of(model, crops[k : k + rows])) for k in range(0, len(crops), rows)]
    return np.concatenate(parts)


def norms(raw: FloatArray) -> Check:
    """Norms of the embeddings before normalisation."""
    lengths = np.linalg.norm(raw, axis=1)
    usable = np.isfinite(lengths) & (lengths > 0)
    if not usable.all():
        said = f"{int((~usable).sum())} of {len(raw)} are zero or not finite"
        return Check("embedding norms", "not in order", said)
    said = f"median {np.median(lengths):.4g}, from {lengths.min():.4g} to {lengths.max():.4g}"
    return Check("embedding norms", "in order", said)


def numbers(raw: FloatArray) -> Check:
    """Whether a classifier returns finite values."""
    usable = np.isfinite(raw).all(axis=1)
    said = f"{int(usable.sum())} of {len(raw)} faces have finite values"
    return Check("finite values", "in order" if usable.all() else "not in order", said)


def same_in_batch(alone: FloatArray, batch: FloatArray, rows: int) -> Check:
    """Whether a face gets the same output alone and in a batch."""
    if rows == 1 or len(alone) == 1:
        return Check("batch against single", "not checked", "this graph processes one face at a time")
    fine = agree(alone, batch)
    apart = np.abs(alone - batch)
    largest = float(apart[np.isfinite(apart)].max(initial=0.0))
    said = f"batches of {rows}: " + (f"values differ by {largest:.2g} at most" if largest else "the same values")
    return Check("batch against single", "in order" if fine else "not in order", said)


def unit_rows(raw: FloatArray) -> FloatArray:
    """Rows divided by their norm; zeros where the norm is zero or not finite."""
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    usable = np.isfinite(lengths) & (lengths > 0)
    return np.where(usable, raw / np.where(usable, lengths, 1.0), 0.0)


def people_apart(raw: FloatArray, names: AnyArray) -> Check:
    """Whether templates of different people differ."""
    unit = unit_rows(raw)
    others = names[:, None] != names[None, :]
    if len(raw) < LEAST_TEMPLATES or not others.any():
        return Check("templates of different people", "not checked", few_text(len(raw), LEAST_TEMPLATES))
    median = float(np.median((unit @ unit.T)[others]))
    said = f"median cosine {median:.2f}" + (
        f"; above {ALIKE:g} the template hardly depends on the face: check scale and mean" if median > ALIKE else ""
    )
    return Check("templates of different people", "not in order" if median > ALIKE else "in order", said)


def own_mirror(raw: FloatArray, mirror: FloatArray, names: AnyArray) -> Check:
    """Whether each face is more similar to its own mirror image than to any other person's face."""
    unit, mirrored = (unit_rows(rows) for rows in (raw, mirror))
    scores = mirrored @ unit.T
    own = np.diag(scores)
    others = np.where(names[:, None] != names[None, :], scores, -np.inf).max(axis=1)
    if len(raw) < LEAST_TEMPLATES or not np.isfinite(others).all():
        return Check("mirror image", "not checked", few_text(len(raw), LEAST_TEMPLATES))
    nearest = int((own > others).sum())
    said = f"nearest to its own face for {nearest} of {len(own)}; median cosine {np.median(own):.2f}"
    return Check("mirror image", "in order" if nearest >= OWN_MIRROR * len(own) else "not in order", said)


def few_text(faces: int, least: int) -> str:
    """Why a check was not run."""
    return f"{faces} faces, at least {least} needed" if faces < least else "all faces belong to one person"


def same_answer(plain: classify.Answers, mirror: classify.Answers) -> Check:
    """Whether a classifier gives a face and its mirror image the same prediction."""
    named = [(one, other) for one, other in zip(plain.prediction, mirror.prediction, strict=True) if one or other]
    if named:
        if len(named) < LEAST_ANSWERS:
            return Check("mirror image", "not checked", few_text(len(named), LEAST_ANSWERS))
        same = sum(one == other for one, other in named)
        fine = same >= SAME_CLASS * len(named)
        return Check("mirror image", "in order" if fine else "not in order", f"same class for {same} of {len(named)}")
    apart = np.abs(plain.age - mirror.age)
    if not np.isfinite(apart).any():
        return Check("mirror image", "not in order", "the model returns no prediction")
    return Check("mirror image", "in order", f"ages differ by {np.nanmedian(apart):.1f} years (median)")
