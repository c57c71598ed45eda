"""Checks before images leave this machine: the recipient, the number of images, permission to send them, and the call limit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from facegap.audit.settings import AuditSettings
from facegap.audit.settings import Service as ServiceSettings
from facegap.errors import RunError
from facegap.inputs.cards.schema import ModelCard, Task
from facegap.store import run as store
from facegap.store.record import BegunRecord, RunRecord, ShardRecord
from facegap.vision.service.answers import kept_calls
from facegap.vision.service.client import ANSWERS, Limits, Service
from facegap.vision.service.wire import read_key, recipient


def service_among(cards: Mapping[Task, ModelCard]) -> ModelCard | None:
    """The card of the black-box service of a run; None without one."""
    return next((card for card in cards.values() if card.backend == "http"), None)


def with_key(card: ModelCard) -> str:
    """The secret that is sent. A card from a third party may name any environment variable and receive its value."""
    assert card.request is not None
    return f" with the value of {card.request.key_env}" if card.request.key_env else ""


def require_leave(card: ModelCard, settings: AuditSettings, what: str) -> None:
    """Raise RunError unless images may be sent to the service and there is a folder for its responses.

    what : what is sent, with its number, such as "80 images"
    """
    if not settings.service.send_images:
        raise RunError(
            f"{card.name} is a black-box service: this audit would send up to {what}, whole files, to "
            f"{recipient(card)}{with_key(card)}. Nothing was sent. Faces are biometric data; if you may send them there, "
            "add --send-images"
        )
    if settings.output.folder is None:
        raise RunError(f"{card.name}: responses of a black-box service are stored in a run folder; give one with out=")


def open_service(card: ModelCard, folder: Path, settings: AuditSettings, number: int, what: str = "images") -> Service:
    """The service, ready for calls, after the recipient and the number of images or pairs have been printed."""
    known = len(kept_calls(folder / ANSWERS))
    limits = settings.service
    budget = "without a limit on calls" if limits.max_calls is None else f"at most {limits.max_calls:,} calls in all"
    settings.output.notice(
        f"{card.name}: sending up to {max(number - known, 0):,} of {number:,} {what}, whole files, to {recipient(card)}"
        f"{with_key(card)}; {limits.calls_per_second:g} calls a second, {budget}; responses are stored in "
        f"{folder / ANSWERS}"
    )
    return Service(card, read_key(card), folder, Limits(limits.max_calls, limits.calls_per_second))


def reopen_for_calls(folder: Path, record: RunRecord | BegunRecord | ShardRecord, limits: ServiceSettings) -> None:
    """Reopen a run that stopped at its call limit if it may now make more calls; stored responses are not requested again."""
    new = limits.max_calls
    if isinstance(record, ShardRecord):
        raise RunError(f"{folder}: {record.words}")
    if isinstance(record, BegunRecord):
        old, spent = record.max_calls, True  # the record does not state the number of calls made
    else:
        old = record.sent.max_calls if record.sent else None
        spent = record.sent is not None and record.sent.calls == old
    if old is None or not spent or (new is not None and new <= old):
        return
    store.reopen(folder)
    store.write_record(folder, BegunRecord(record.request, new))
