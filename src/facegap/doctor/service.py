"""Test the card of a service with a few calls: path of the answer, score range, direction, and "no face" rules.

Nothing is sent before the number of calls, their price and the recipient are shown and sending is allowed.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facegap.audit.consent import with_key
from facegap.audit.settings import Service as ServiceSettings
from facegap.doctor.checks import Check, State
from facegap.errors import CardError, RunError, TableError
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.images.decode import ImageFile, Unreadable, decode, read_image
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.inputs.manifests.read import Manifest
from facegap.tables import SCORED
from facegap.types import FloatArray
from facegap.vision.service.answers import Query, ServicePrediction
from facegap.vision.service.client import Limits, Service
from facegap.vision.service.compare import FACELESS, Compared, compare, rising
from facegap.vision.service.embed import Template, template
from facegap.vision.service.wire import read_key, recipient

PEOPLE = 3  # two images of each
BLANK_SIDE = 320  # pixels of a plain grey image
REPEATED, BLANK = 1_000_000, 2_000_000  # used as row numbers
SAME = 0.999  # cosine between two templates of one file
FEWEST_RIGHT = 1  # none is correct if words or paths are exchanged
CALLS = {"verify": 2 + 2 * PEOPLE, "embed": 2 + 2 * PEOPLE, "classify": 1 + 2 * PEOPLE}


@dataclass(frozen=True, eq=False)
class Sample:
    """Two images of each of PEOPLE people, grouped by person. labels : gender, or unknown"""

    images: tuple[bytes, ...]
    labels: tuple[str, ...]


def calls_of(card: ModelCard) -> int:
    """Number of calls needed to test a card.

    Raises
    ------
    CardError : a search service, which would need a gallery
    """
    if card.task not in CALLS:
        raise CardError(
            f"{card.name}: a search service must first be given a gallery; try its card with facegap audit "
            f"--search-service and "
            "a manifest of a few people"
        )
    return CALLS[card.task]


def announcement(card: ModelCard, price_per_call: float | None) -> str:
    """What would be sent, to which service, and at what cost."""
    calls = calls_of(card)
    cost = "" if price_per_call is None else f", {calls * price_per_call:,.2f} at {price_per_call:g} each"
    return (
        f"{card.name}: {calls} calls{cost}, with {2 * PEOPLE} images of the manifest as whole files and a plain grey "
        f"image, to "
        f"{recipient(card)}{with_key(card)}; calls that fail are repeated, up to {2 * calls} in all"
    )


def require_leave(card: ModelCard, settings: ServiceSettings) -> None:
    """Raise RunError, which says what would be sent, unless sending is allowed."""
    if not settings.send_images:
        raise RunError(
            f"{announcement(card, settings.price_per_call)}. Nothing was sent. Faces are biometric data; if you may send them there, "
            "add --send-images"
        )


def sample_of(table: Manifest, seed: int) -> Sample:
    """Two random readable images of each of a few people.

    Raises
    ------
    TableError : too few people have two images
    """
    frame = table.frame
    rng = np.random.default_rng(seed)
    images: list[bytes] = []
    labels: list[str] = []
    groups = [rows for _, rows in frame.groupby("subject", sort=True) if len(rows) >= 2]
    for k in rng.permutation(len(groups)).tolist():
        chosen = groups[k].iloc[:2]
        files = [read_image(str(path), root=table.folder) for path in chosen["path"]]
        read = [
            file.data for file in files if isinstance(file, ImageFile) and not isinstance(decode(file.data), Unreadable)
        ]
        if len(read) == 2:
            images += read
            labels += chosen["gender"].tolist() if "gender" in chosen.columns else [UNKNOWN] * 2
        if len(images) == 2 * PEOPLE:
            return Sample(tuple(images), tuple(map(str, labels)))
    raise TableError(f"{table.name}: {PEOPLE} people with two readable images each are needed; give such a manifest")


def blank() -> bytes:
    """A plain grey image."""
    return bytes(cv2.imencode(".jpg", np.full((BLANK_SIDE, BLANK_SIDE, 3), 128, np.uint8))[1])


def examine_service(card: ModelCard, table: Manifest, settings: ServiceSettings, seed: int) -> list[Check]:
    """Call the service and check its card; the responses are not stored.

    Raises
    ------
    RunError   : sending is not allowed, or the service cannot be reached or rejects the key
    TableError : too few people
    """
    require_leave(card, settings)
    sample, key = sample_of(table, seed), read_key(card)
    with tempfile.TemporaryDirectory(prefix="facegap-doctor-") as folder:
        limits = Limits(2 * calls_of(card), settings.calls_per_second, resumable=False)
        service = Service(card, key, Path(folder), limits)
        try:
            return LOOKS[card.task](service, sample)
        finally:
            service.close()


# ---- services that compare ----


def look_at_comparisons(service: Service, sample: Sample) -> list[Check]:
    """Compare an image with itself, images of one person, images of two people, and a face with a plain image."""
    images = sample.images
    itself = compare(service, Query(0, 0), images[0], images[0])
    mates = [compare(service, Query(2 * k, 2 * k + 1), images[2 * k], images[2 * k + 1]) for k in range(PEOPLE)]
    others = [2 * ((k + 1) % PEOPLE) for k in range(PEOPLE)]
    strangers = [compare(service, Query(2 * k, other), images[2 * k], images[other]) for k, other in enumerate(others)]
    faceless = compare(service, Query(0, BLANK), images[0], blank())
    pairs = [itself, *mates, *strangers]
    found = [path_check([(one.outcome == SCORED, one.detail) for one in pairs], "a score")]
    if all(one.outcome == SCORED for one in pairs):
        found += [scale_check(service.card, itself.score), direction_check(service.card, itself, mates, strangers)]
    else:
        found += [Check(name, "not checked", "not every pair has a score") for name in ("scale", "direction")]
    return [*found, faceless_check(faceless)]


def path_check(answers: Sequence[tuple[bool, str]], what: str) -> Check:
    """Whether answers are where the card says. answers : for each call, whether it succeeded, and why not"""
    good = sum(fine for fine, _ in answers)
    why = Counter(detail for fine, detail in answers if not fine).most_common(1)
    sentence = f"{good} of {len(answers)} calls returned {what}" + (f"; {why[0][0]} ({why[0][1]})" if why else "")
    return Check("answer path", "in order" if good == len(answers) else "not in order", sentence)


def scale_check(card: ModelCard, score: float) -> Check:
    """Whether an image compared with itself scores in the upper half of the card's range; a decision must be a match."""
    assert card.answer is not None
    if card.answer.score_range is None:
        return Check(
            "scale", state_of(score == 1), f"an image compared with itself is {'a match' if score == 1 else 'no match'}"
        )
    ends = sorted(rising(end, card.answer) for end in card.answer.score_range)
    sentence = (
        f"an image compared with itself scores {score:.4g}; the card's range is {ends[0]:g} to {ends[1]:g}, higher "
        f"means more similar"
    )
    return Check("scale", state_of(score >= sum(ends) / 2), sentence)


def direction_check(
    card: ModelCard, itself: Compared, mates: Sequence[Compared], strangers: Sequence[Compared]
) -> Check:
    """Whether more similar images have higher scores; distances are negated."""
    own, other = (float(np.median([one.score for one in side])) for side in (mates, strangers))
    sentence = f"same image {itself.score:.4g}, same person {own:.4g}, two people {other:.4g} (medians of {PEOPLE})"
    fine = own > other and itself.score >= max(one.score for one in (*mates, *strangers))
    cure = (
        ""
        if fine or card.answer is None or card.answer.score is None
        else f"; falling = {str(card.answer.falling).lower()} in the card"
    )
    return Check("direction", state_of(fine), sentence + cure)


def faceless_check(answer: Compared) -> Check:
    """Whether a plain image is recognised as one without a face."""
    if answer.outcome in FACELESS.values():
        return Check("no face", "in order", f"a plain grey image: {answer.detail}")
    sentence = (
        f"gets the score {answer.score:.4g}"
        if answer.outcome == SCORED
        else f"fits no rule of [answer.no_face]: {answer.detail}"
    )
    return Check("no face", "not in order", f"a plain grey image {sentence}")


def state_of(fine: bool) -> State:
    """The state of a check: in order, or not."""
    return "in order" if fine else "not in order"


# ---- services that embed, and that classify ----


def look_at_templates(service: Service, sample: Sample) -> list[Check]:
    """Embed every image, the first one again, and a plain image."""
    made = [template(service, row, data) for row, data in enumerate(sample.images)]
    again, faceless = template(service, REPEATED, sample.images[0]), template(service, BLANK, blank())
    found = [path_check([(one.outcome == "ok", one.detail) for one in (*made, again)], "an embedding")]
    vectors = [one.vector for one in (*made, again) if one.vector is not None]
    if len(vectors) == len(made) + 1:
        found += template_checks(np.array(vectors, np.float64))
    else:
        found += [Check(name, "not checked", "not every image has an embedding") for name in ("repeats", "direction")]
    return [*found, no_template_check(faceless)]


def template_checks(vectors: FloatArray) -> list[Check]:
    """Whether one file gives the same template twice, and same-person cosines are higher. vectors : (2 PEOPLE + 1, dimension)"""
    cosines = vectors @ vectors.T
    twice = float(cosines[0, -1])
    own = float(np.median([cosines[2 * k, 2 * k + 1] for k in range(PEOPLE)]))
    other = float(np.median([cosines[2 * k, 2 * j] for k in range(PEOPLE) for j in range(k)]))
    return [
        Check("repeats", state_of(twice >= SAME), f"the same file twice: cosine {twice:.4f}"),
        Check("direction", state_of(own > other), f"cosine of one person {own:.4g}, of two {other:.4g} (medians)"),
    ]


def no_template_check(answer: Template) -> Check:
    """Whether a plain image is recognised as one without a face."""
    if answer.outcome == "no_face":
        return Check("no face", "in order", f"a plain grey image: {answer.detail}")
    sentence = "gets an embedding" if answer.outcome == "ok" else f"fits no rule of [answer.no_face]: {answer.detail}"
    return Check("no face", "not in order", f"a plain grey image {sentence}")


def look_at_answers(service: Service, sample: Sample) -> list[Check]:
    """Classify every image, and a plain image."""
    responses = [service.ask(row, data) for row, data in enumerate(sample.images)]
    faceless = service.ask(BLANK, blank())
    found = [path_check([(answered(one), one.detail) for one in responses], "an answer")]
    labelled = [
        (one.prediction, label)
        for one, label in zip(responses, sample.labels, strict=True)
        if one.prediction and label != UNKNOWN
    ]
    if labelled:
        right = sum(word == label for word, label in labelled)
        found.append(
            Check("classes", state_of(right >= FEWEST_RIGHT), f"{right} of {len(labelled)} predictions equal the label")
        )
    else:
        found.append(Check("classes", "not checked", "no gender prediction for an image with a gender label"))
    result = f"a plain grey image gets {'an' if answered(faceless) else 'no'} answer"
    return [*found, Check("no face", state_of(not answered(faceless)), result)]


def answered(response: ServicePrediction) -> bool:
    """Whether the response has any output that the card names."""
    return (
        bool(response.prediction) or np.isfinite(response.age) or any(word for word, _ in response.categories.values())
    )


LOOKS: dict[str, Callable[[Service, Sample], list[Check]]] = {
    "verify": look_at_comparisons,
    "embed": look_at_templates,
    "classify": look_at_answers,
}
