"""Embedding of an image by a service: a template, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.service import AnswerSpec
from facegap.tables import NOT_SENT
from facegap.types import FloatArray
from facegap.vision.embed import lengths, unit_rows
from facegap.vision.service.answers import NO_JSON, Call, Query, number_of, parsed, value_at
from facegap.vision.service.client import Service, Unanswered
from facegap.vision.service.no_face import says_no_face

NO_FACE, NO_TEMPLATE = "no_face", "no_template"


@dataclass(frozen=True)
class Template:
    """Outcome of an image.

    vector  : float32 (dimension,), of unit length; None if the outcome is not ok
    norm    : its length as received; NaN without one
    outcome : ok; no_face if the service found none; no_template if the response has no valid embedding; not_sent if the
              budget was already spent
    """

    vector: NDArray[np.float32] | None
    norm: float
    outcome: str
    detail: str = ""


def template(service: Service, row: int, data: bytes) -> Template:
    """Return the template of the image of a manifest row; see `Service.call` for its errors."""
    call = service.call(Query(row), (data,))
    if isinstance(call, Unanswered):
        return lost(NO_TEMPLATE if call.sent else NOT_SENT, call.detail)
    return template_of(call, service.card)


def template_of(call: Call, card: ModelCard) -> Template:
    """Parse the template in the body of a call with the paths and rules in the card."""
    assert card.answer is not None
    if says_no_face(call, card) is not None:
        return lost(NO_FACE, "the service found no face")
    if call.reason:
        return lost(NO_TEMPLATE, call.reason)
    answer, is_json = parsed(call.body)
    if not is_json:
        return lost(NO_TEMPLATE, NO_JSON)
    raw, fault = embedding_of(answer, card.answer)
    if fault:
        return lost(NO_TEMPLATE, fault)
    (unit,) = unit_rows(raw[None])
    if not np.isfinite(unit).all():
        return lost(NO_TEMPLATE, "the embedding is zero, or its length is not a finite number")
    return Template(unit, float(lengths(raw[None])[0]), "ok")


def lost(outcome: str, detail: str) -> Template:
    """Return the result for an image without a template."""
    return Template(None, np.nan, outcome, detail)


def embedding_of(answer: Any, spec: AnswerSpec) -> tuple[FloatArray, str]:
    """Return an embedding, float64 (dimension,), or an empty array and the reason."""
    assert spec.embedding is not None
    nothing = np.empty(0, np.float64)
    value, found = value_at(answer, spec.embedding)
    if not found:
        return nothing, f"nothing at {spec.embedding} in the response"
    if not isinstance(value, list):
        return nothing, f"no list at {spec.embedding} in the response"
    if len(value) != spec.dimension:
        return nothing, f"{len(value):,} numbers at {spec.embedding}, the card says dimension = {spec.dimension}"
    numbers = np.array([number_of(one) for one in value], np.float64)
    return (
        (numbers, "")
        if np.isfinite(numbers).all()
        else (nothing, f"no finite numbers at {spec.embedding} in the response")
    )
