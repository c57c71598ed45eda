"""Recognise responses that report no face, by the rules of a card."""

from __future__ import annotations

from typing import Any

from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.service import NoFaceRule, Side
from facegap.vision.service.answers import Call, parsed, value_at


def says_no_face(call: Call, card: ModelCard) -> Side | None:
    """Return the side of the first rule in the card that a response matches; None if none does or there is no response."""
    if card.answer is None or call.status is None or not card.answer.no_face:
        return None
    answer, is_json = parsed(call.body)
    body = call.body.decode("utf-8", "replace")
    rules = card.answer.no_face
    return next((rule.side for rule in rules if fits(rule, call.status, body, answer, is_json)), None)


def fits(rule: NoFaceRule, status: int, body: str, answer: Any, is_json: bool) -> bool:
    """Return whether a response meets all conditions of a rule. answer : the body as JSON, if `is_json`"""
    if rule.status is not None and status != rule.status:
        return False
    if rule.status is None and rule.text is None and not 200 <= status < 300:
        return False  # an error page has no paths
    if rule.text is not None:
        word, found = (body, True) if rule.path is None else value_at(answer, rule.path)
        if not found or not isinstance(word, str | int) or rule.text.casefold() not in str(word).casefold():
            return False
    if rule.empty is not None:
        there, found = value_at(answer, rule.empty)
        return is_json and (not found or there == [])
    return True
