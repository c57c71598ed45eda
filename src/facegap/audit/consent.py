"""Before images leave this machine: who would get how many, whether that was allowed, and what it may cost."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facegap.errors import RunError
from facegap.inputs.cards.schema import ModelCard, Task
from facegap.store import run as store
from facegap.vision.service.answers import kept_calls
from facegap.vision.service.client import ANSWERS, Limits, Service
from facegap.vision.service.wire import read_key, recipient


def on_stderr(text: str) -> None:
    """Show a line to whoever started the program; also in a notebook or a script."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Sending:
    """What the user said about sending images to a black-box service.

    allowed : --send-images was given
    notice  : shows the recipient and the number of images before the first of them leaves
    """

    allowed: bool = False
    limits: Limits = field(default_factory=Limits)
    notice: Callable[[str], None] = on_stderr


def service_among(cards: Mapping[Task, ModelCard]) -> ModelCard | None:
    """The card of the black-box service of a run, if it has one."""
    return next((card for card in cards.values() if card.backend == "http"), None)


def with_key(card: ModelCard) -> str:
    """Which secret goes along: a card from somebody else may name any variable, and have its value sent to them."""
    assert card.request is not None
    return f" with the value of {card.request.key_env}" if card.request.key_env else ""


def require_leave(card: ModelCard, sending: Sending, images: int, out: str | Path | None) -> None:
    """Raise RunError unless images may be sent to the service and its answers have a place to stay."""
    limits = sending.limits
    if not sending.allowed:
        raise RunError(
            f"{card.name} is a black-box service: this audit would send up to {images:,} images, whole files, to "
            f"{recipient(card)}{with_key(card)}. Nothing was sent. Faces are biometric data; if you may send them there, "
            "add --send-images"
        )
    if out is None:
        raise RunError(f"{card.name}: answers of a black-box service are kept in a run folder; name one with out=")
    if not limits.calls_per_second > 0 or (limits.max_calls is not None and limits.max_calls < 1):
        raise RunError(f"{card.name}: calls a second must be above 0, and the budget of calls at least 1")


def open_service(card: ModelCard, folder: Path, sending: Sending, images: int) -> Service:
    """The service, ready to be asked, after its recipient and the number of images were shown."""
    known = len(kept_calls(folder / ANSWERS))
    limits = sending.limits
    budget = "without a limit of calls" if limits.max_calls is None else f"at most {limits.max_calls:,} calls in all"
    sending.notice(
        f"{card.name}: sending up to {images - known:,} of {images:,} images, whole files, to {recipient(card)}{with_key(card)}; "
        f"{limits.calls_per_second:g} calls a second, {budget}; answers are kept in {folder / ANSWERS}"
    )
    return Service(card, read_key(card), folder, limits)


def take_up_again(folder: Path, record: dict[str, Any], limits: Limits) -> None:
    """Open a run anew whose budget of calls was spent, where it may now make more: kept answers are not paid again."""
    before = record.get("sent") or {}
    old, new = before.get("max_calls"), limits.max_calls
    spent = before.get("calls", old) == old  # a run that was broken off does not say how many it made
    if old is None or not spent or (new is not None and new <= old):
        return
    store.reopen(folder)
    again = {"version": record["version"], "state": "running", "request": record["request"], "sent": {"max_calls": new}}
    store.write_json(folder / store.RECORD, again)
