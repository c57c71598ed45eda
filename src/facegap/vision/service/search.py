"""Search by a service: whether an image was enrolled, and the candidates in its gallery for a probe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.service import AnswerSpec
from facegap.tables import NOT_SENT
from facegap.vision.service.answers import NO_JSON, Call, Query, parsed, quoted, value_at
from facegap.vision.service.client import Service, Unanswered
from facegap.vision.service.compare import score_of
from facegap.vision.service.embed import NO_FACE, NO_TEMPLATE
from facegap.vision.service.no_face import says_no_face

Candidate = tuple[str, float]  # name under which an image was enrolled, and a similarity score


@dataclass(frozen=True)
class Answered:
    """Outcome of an image.

    outcome    : ok; no_face if the service found none; no_template if it did not enrol the image or the response has no valid
                 list; not_sent if the budget was already spent
    candidates : for a probe, by descending score
    """

    outcome: str
    detail: str = ""
    candidates: tuple[Candidate, ...] = ()


def enrol(service: Service, row: int, data: bytes, subject: str) -> Answered:
    """Enrol the image of a manifest row in the gallery; see `Service.call` for its errors."""
    call = service.call(Query(row), (data,), subject)
    if isinstance(call, Unanswered):
        return unanswered(call)
    return refused(call, service.card) or Answered("ok")


def search(service: Service, row: int, data: bytes) -> Answered:
    """Search the gallery for the image of a manifest row; see `Service.call` for its errors."""
    call = service.call(Query(row), (data,))
    return unanswered(call) if isinstance(call, Unanswered) else candidates_of(call, service.card)


def unanswered(call: Unanswered) -> Answered:
    """Return the result for an image that was not sent."""
    return Answered(NO_TEMPLATE if call.sent else NOT_SENT, call.detail)


def refused(call: Call, card: ModelCard) -> Answered | None:
    """Return the result of an unsuccessful call; None if it succeeded."""
    if says_no_face(call, card) is not None:
        return Answered(NO_FACE, "the service found no face")
    return Answered(NO_TEMPLATE, call.reason) if call.reason else None


def candidates_of(call: Call, card: ModelCard) -> Answered:
    """Parse the list in the body of a call with the paths and rules in the card; an empty list is valid."""
    assert card.answer is not None and card.answer.candidates is not None
    if (lost := refused(call, card)) is not None:
        return lost
    answer, is_json = parsed(call.body)
    if not is_json:
        return Answered(NO_TEMPLATE, NO_JSON)
    listed, found = value_at(answer, card.answer.candidates)
    if not found:
        return Answered(NO_TEMPLATE, f"nothing at {card.answer.candidates} in the response")
    if not isinstance(listed, list):
        return Answered(NO_TEMPLATE, f"no list at {card.answer.candidates} in the response")
    most = card.answer.most_candidates
    if most is not None and len(listed) > most:
        return Answered(
            NO_TEMPLATE, f"{len(listed):,} candidates, but the card says {most} at most (answer.most_candidates)"
        )
    read = [candidate_of(one, card.answer) for one in listed]
    if fault := next((why for _, _, why in read if why), ""):
        return Answered(NO_TEMPLATE, f"a candidate: {fault}")
    if len({name for name, _, _ in read}) < len(read):
        return Answered(NO_TEMPLATE, "a candidate that is listed twice")
    ordered = sorted(((name, score) for name, score, _ in read), key=lambda one: -one[1])
    return Answered("ok", candidates=tuple(ordered))


def candidate_of(one: Any, spec: AnswerSpec) -> tuple[str, float, str]:
    """Return the name and score of a candidate, and the reason if it is invalid."""
    assert spec.subject is not None
    if not isinstance(one, Mapping):
        return "", math.nan, "no object"
    name, found = value_at(one, spec.subject)
    if not found or not isinstance(name, str):
        return (
            "",
            math.nan,
            f"no name at {spec.subject}" if not found else f"no text at {spec.subject}: {quoted(str(name))}",
        )
    score, fault = score_of(one, spec)
    return name, score, fault
