"""Comparison of two images by a service: a score, or the reason why there is none. A missing face never gets a score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.service import AnswerSpec, Side
from facegap.tables import NOT_SENT, SCORED
from facegap.vision.service.answers import NO_JSON, Call, Query, number_of, parsed, value_at
from facegap.vision.service.client import Service, Unanswered
from facegap.vision.service.no_face import says_no_face

NO_ANSWER = "no_answer"
FACELESS: Mapping[Side, str] = {
    "probe": "no_face_probe",
    "reference": "no_face_reference",
    "unknown": "no_face_somewhere",
}
WORDS_OF_DECISIONS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


@dataclass(frozen=True)
class Compared:
    """Outcome of a pair.

    score   : higher is more alike, distances are negated; 1 or 0 for a decision; NaN if there is none
    outcome : scored; no_face_probe, no_face_reference or no_face_somewhere if the service found no face there; no_answer
              if the response has no valid score; not_sent if the budget was already spent
    """

    score: float
    outcome: str
    detail: str = ""


def compare(service: Service, query: Query, probe: bytes, reference: bytes) -> Compared:
    """Compare a pair of images; see `Service.call` for its errors."""
    call = service.call(query, (probe, reference))
    if isinstance(call, Unanswered):
        return Compared(math.nan, NO_ANSWER if call.sent else NOT_SENT, call.detail)
    return compared(call, service.card)


def compared(call: Call, card: ModelCard) -> Compared:
    """Parse the body of a call with the paths and rules in the card."""
    assert card.answer is not None
    if (side := says_no_face(call, card)) is not None:
        return Compared(math.nan, FACELESS[side], f"the service found no face{OF_SIDE[side]}")
    if call.reason:
        return Compared(math.nan, NO_ANSWER, call.reason)
    answer, is_json = parsed(call.body)
    if not is_json:
        return Compared(math.nan, NO_ANSWER, NO_JSON)
    score, fault = decision_of(answer, card.answer) if card.answer.decision else score_of(answer, card.answer)
    return Compared(score, NO_ANSWER if fault else SCORED, fault)


OF_SIDE: Mapping[Side, str] = {
    "probe": " in the probe (left)",
    "reference": " in the reference (right)",
    "unknown": " in one of the two images",
}


def score_of(answer: Any, spec: AnswerSpec) -> tuple[float, str]:
    """Return a similarity score, or NaN and the reason."""
    assert spec.score is not None and spec.score_range is not None
    value, found = value_at(answer, spec.score)
    if not found:
        return math.nan, f"nothing at {spec.score} in the response"
    score = number_of(value)
    if not math.isfinite(score):
        return math.nan, f"no finite number at {spec.score} in the response"
    low, high = spec.score_range
    if not low <= score <= high:
        return math.nan, f"{score!r} at {spec.score} is outside the card's score_range, {low:g} to {high:g}"
    return rising(score, spec), ""


def rising(score: float, spec: AnswerSpec) -> float:
    """Convert a service's number to a similarity score: multiply by the card's scale, and negate a distance."""
    return score * spec.score_scale * (-1.0 if spec.falling else 1.0)


def decision_of(answer: Any, spec: AnswerSpec) -> tuple[float, str]:
    """Return 1 for a match and 0 for a non-match, or NaN and the reason."""
    assert spec.decision is not None
    value, found = value_at(answer, spec.decision)
    if not found:
        return math.nan, f"nothing at {spec.decision} in the response"
    said = WORDS_OF_DECISIONS.get(str(value).strip().casefold()) if isinstance(value, bool | int | str) else None
    return (math.nan, f"neither true nor false at {spec.decision} in the response") if said is None else (said, "")
