"""Audit of a service that compares two images (1:1): one call per pair; its scores are then treated like those of a file."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.audit.consent import open_service, reopen_for_calls, require_leave
from facegap.audit.files import Unreadable, colour_record, require_files
from facegap.audit.finish import Evidence, Place, finish, run_folder
from facegap.audit.phases import PAIRS
from facegap.audit.plan_file import with_plan
from facegap.audit.record import (
    as_first_read,
    black_box_record,
    card_warnings,
    request_of,
    require_same_request,
)
from facegap.audit.resolved import ResolvedAudit, people_of, resolve
from facegap.audit.scores import DECISIONS, require_both_kinds
from facegap.audit.service_pairs import Originals, in_order, rows_of_images, send_pairs
from facegap.audit.settings import NO_DETECT, PUBLISHED, AuditSettings, Verify, default_of
from facegap.audit.until_decided import (
    pairs_by_person,
    require_one_group_each,
    require_stoppable,
    send_pairs_until_decided,
    stopping_sentences,
)
from facegap.audit.verify import listed_matching
from facegap.derive.asked import asked_pairs
from facegap.derive.comparisons import WEIGHT
from facegap.derive.never_shown import never_shown_sentences
from facegap.derive.outcomes import faces_table, predictions_table
from facegap.derive.units import subject_codes
from facegap.errors import SettingError, TableError
from facegap.inputs.cards.read import resolve_card
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.images.decode import EXIF_RULE, quiet_decoders
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.videos.read import is_video
from facegap.runtime import usable_cores
from facegap.statistics.curves import allowed_false_matches
from facegap.store import run as store
from facegap.store.finished import read_to_resume
from facegap.store.record import BegunRecord
from facegap.store.run import Run
from facegap.tables import NOT_SENT, SCORED
from facegap.types import FloatArray
from facegap.vision.look import Stages
from facegap.vision.service.wire import read_key

MOST_AT_ONCE = 16  # concurrent calls
FEWEST = 3  # fewest pairs of each kind for a comparison of their medians
ACCEPTED = 1.0  # the score that stands for the decision "accepted"


def audit_by_service(manifest: Path, settings: AuditSettings) -> Run:
    """Send pairs of images to the service of --verify-service and measure its errors by group; see `facegap.audit`.

    Raises
    ------
    FacegapError : if the audit cannot run; the message names the problem, the place and the remedy
    """
    require_alone(settings)
    assert settings.service.verify_service is not None
    card, _ = resolve_card(settings.service.verify_service, "verify")
    read_key(card)
    settings, plan = with_plan(settings, black_box="embed")
    table = people_of(manifest, settings, compares=True)
    require_single_images(table)
    thresholds = thresholds_of(card, settings.verify)
    resolved = resolve(table, settings, runs_models=False, compares=True, thresholds=thresholds, plan=plan)
    resolved = replace(
        resolved, given=tuple(replace(point, source=source_of(card, settings)) for point in resolved.given)
    )
    pairs = planned_pairs(resolved)
    if settings.service.stop_when_decided:
        require_stoppable(settings, card)
        require_one_group_each(resolved)
        pairs = pairs_by_person(pairs, subject_codes(table.frame), settings.verify.seed)
    require_both_kinds(pairs, settings.verify, "the list of pairs")
    if not resolved.given:
        require_enough(pairs, settings)
    if not settings.faces.allow_missing:
        require_files(table, resolved.groupings)
    require_leave(card, settings, f"{len(pairs):,} pairs of images")
    with run_folder(settings.output) as place:
        return run_in(place, resolved, card, pairs)


def require_alone(settings: AuditSettings) -> None:
    """Raise SettingError for a setting that does not apply when a service compares the images."""
    others = {
        "--embed": settings.embed is not None,
        "--classify": settings.classify is not None,
        "--detect": "detect" in settings.stated and settings.detect != NO_DETECT,
        "--points": settings.faces.points is not None,
        "--detect-only": settings.models.detect_only,
        "--identify": settings.identify is not None,
        "--threshold-on": settings.verify.threshold_on is not None,
        "--distance": settings.verify.distance,
        "--quality": settings.faces.quality is not None,
    }
    for name in (name for name, given in others.items() if given):
        cure = "write falling = true in [answer] of its card" if name == "--distance" else f"omit {name}"
        raise SettingError(f"--verify-service calls a service that detects and compares faces itself; {cure}")


def require_single_images(table: Manifest) -> None:
    """Raise TableError for templates of several images and for videos, as a call compares two single images."""
    if table.members is not None:
        raise TableError(f"{table.name}, column template: a service compares single images; omit the column")
    for image, line in zip(table.frame["image"], table.frame["line"], strict=True):
        if is_video(str(image)):
            raise TableError(
                f"{table.name} line {line}, column image: {image!r} is a video; services accept images only"
            )


def thresholds_of(card: ModelCard, verify: Verify) -> Verify:
    """The thresholds of a run on the score scale of the tables: distances are negated, and the threshold of decisions is 1.

    Raises
    ------
    SettingError : if a threshold or target is given for decisions, or the card publishes no threshold
    """
    assert card.answer is not None
    if card.answer.decision is not None:
        if verify.threshold or verify.fmr != default_of(Verify, "fmr"):
            raise SettingError(
                f"{card.name} returns decisions at its own threshold and no scores, so no threshold can be set here; "
                f"omit --threshold and --fmr"
            )
        return replace(verify, threshold=(ACCEPTED,), fmr=())
    if verify.published and card.published_threshold is None:
        raise SettingError(f"--threshold published: the card {card.name} publishes none; give a number, or --fmr")
    numbers = [card.published_threshold if value == PUBLISHED else float(value) for value in verify.threshold]
    sign = -1.0 if card.answer.falling else 1.0
    return replace(verify, threshold=tuple(sign * value for value in numbers if value is not None))


def source_of(card: ModelCard, settings: AuditSettings) -> str:
    """Source of a threshold that does not need held-out subjects."""
    assert card.answer is not None
    if card.answer.decision is not None:
        return DECISIONS
    return "published by the service's card" if settings.verify.published else "given"


def planned_pairs(resolved: ResolvedAudit) -> pd.DataFrame:
    """The pairs in the order of the calls: left (probe), right (reference), genuine, and the weight of a sampled pair.

    Raises
    ------
    SettingError : if pairs are neither listed nor sampled
    """
    if resolved.pairs is None:
        images = len(resolved.manifest.frame)
        raise SettingError(
            f"--verify-service needs one call per pair, and all {images * (images - 1) // 2:,} pairs of {images:,} "
            f"images would be called; sample them with --sample-pairs, or list the pairs with --pairs"
        )
    rows = resolved.pairs.rows
    people = pd.factorize(resolved.manifest.frame["subject"])[0][rows]
    found = pd.DataFrame({"left": rows[:, 0], "right": rows[:, 1], "genuine": people[:, 0] == people[:, 1]})
    return found if resolved.pairs.weights is None else found.assign(**{WEIGHT: resolved.pairs.weights})


def require_enough(pairs: pd.DataFrame, settings: AuditSettings) -> None:
    """Raise StatisticsError if there are too few impostor pairs to set a threshold at a target FMR.

    pairs : column genuine, in the order of the calls
    """
    impostor = ~pairs["genuine"].to_numpy(np.bool_)
    within_budget = int(impostor[: settings.service.max_calls].sum())
    for target in settings.verify.fmr:
        allowed_false_matches(target, within_budget)


def run_in(place: Place, resolved: ResolvedAudit, card: ModelCard, pairs: pd.DataFrame) -> Run:
    """Call the service for the pairs that are not done yet in a folder, then compute the tables."""
    settings, folder = resolved.settings, place.folder
    request = replace(request_of(resolved, "images"), cards={"verify": card.model_dump(mode="json")})
    if (folder / store.RECORD).exists():
        begun = store.read_any_record(folder)
        request = as_first_read(request, begun.request)
        require_same_request(folder, begun.request, request)
        reopen_for_calls(folder, begun, settings.service)
        if store.is_whole(folder):
            return read_to_resume(folder)
    else:
        store.write_record(folder, BegunRecord(request, settings.service.max_calls))
    originals = Originals(resolved.manifest.frame, resolved.manifest.folder, stages_of(settings), limit_of(card))
    workers = workers_of(settings)
    settings.output.phase(PAIRS)
    with quiet_decoders():
        check_all(originals, pairs, workers, settings)
    service = open_service(card, folder, settings, len(pairs), "pairs of images")
    done = 0

    def on_pair() -> None:
        nonlocal done
        done += 1
        settings.output.progress(done, len(pairs))

    record, stopping = black_box_record(resolved, {"detect": card.name, "embed": card.name}, request), None
    try:
        if settings.service.stop_when_decided:
            sent_pairs, stopping = send_pairs_until_decided(
                pairs, originals, service, resolved, record, workers=workers, on_pair=on_pair
            )
        else:
            sent_pairs = send_pairs(pairs, originals, service, workers=workers, on_pair=on_pair)
    finally:
        service.close()
    require_some_score(sent_pairs, card)
    rows = rows_of_images(originals, sent_pairs)
    faces = faces_table(rows, embedded=False)
    matching = listed_matching(asked_pairs(sent_pairs), resolved, None, (faces["outcome"] == "ok").to_numpy(np.bool_))
    warnings = (
        *never_shown_sentences(resolved.manifest.frame, rows["outcome"], resolved.groupings),
        *record.warnings,
        *card_warnings({"verify": card}),
        *missing_score_sentences(sent_pairs, card),
        *stopping_sentences(stopping),
    )
    sent = replace(service.sent(), decisions=card.answer is not None and card.answer.decision is not None)
    record = replace(
        record,
        comparison=matching.record,
        sent=sent,
        stopping=stopping,
        colour=colour_record(rows, settings.faces.colour),
        conventions=replace(record.conventions, exif=EXIF_RULE),
        warnings=warnings,
        alarms=alarms_of(sent_pairs, card),
    )
    matched = replace(matching.matched, pairs=sent_pairs)
    evidence = Evidence(record, faces, predictions_table(rows, resolved.manifest.frame, ()), matched=matched)
    return finish(resolved, evidence, place)


def stages_of(settings: AuditSettings) -> Stages:
    """How images are read when no model runs."""
    faces = settings.faces
    return Stages(None, None, None, faces.many_faces, faces.min_face, colour=faces.colour)


def limit_of(card: ModelCard) -> int | None:
    """Size in bytes of the largest image that the service accepts."""
    assert card.request is not None
    return card.request.largest_image_bytes


def workers_of(settings: AuditSettings) -> int:
    """Number of concurrent calls."""
    by_rate = min(MOST_AT_ONCE, math.ceil(settings.service.calls_per_second))
    return settings.models.workers or max(usable_cores(), by_rate)


def check_all(originals: Originals, pairs: pd.DataFrame, workers: int, settings: AuditSettings) -> None:
    """Decode every image of the pairs before the first call.

    Raises
    ------
    TableError : if more than a few images cannot be sent
    """
    rows = np.unique(pairs[["left", "right"]].to_numpy(np.int64)).tolist()
    unreadable = Unreadable(len(rows), settings.faces.allow_missing)
    for record in in_order(originals.check_image, [(row,) for row in rows], workers, lambda: None):
        unreadable.add(pd.DataFrame([record]))


def require_some_score(sent_pairs: pd.DataFrame, card: ModelCard) -> None:
    """Raise TableError if no pair has a score, and report the most common reason."""
    if (sent_pairs["outcome"] == SCORED).any():
        return
    reasons = sent_pairs["detail"].value_counts()
    raise TableError(
        f"{card.name}: none of {len(sent_pairs):,} pairs has a score: {reasons.index[0]} ({reasons.iloc[0]:,}). Compare "
        f"the paths of [answer] in its card with a response in the folder answers of the run"
    )


def missing_score_sentences(sent_pairs: pd.DataFrame, card: ModelCard) -> list[str]:
    """Notes on pairs without a score, with the most common reasons first."""
    found = []
    unsent = int((sent_pairs["outcome"] == NOT_SENT).sum())
    if unsent:
        why = sent_pairs.loc[sent_pairs["outcome"] == NOT_SENT, "detail"].iloc[0]
        found.append(f"{unsent:,} of {len(sent_pairs):,} pairs were not sent ({why}); they are excluded from all rates")
    lost = sent_pairs[~sent_pairs["outcome"].isin((SCORED, NOT_SENT))]
    if len(lost):
        reasons = "; ".join(
            f"{reason} ({count:,})" for reason, count in list(lost["detail"].value_counts().items())[:5]
        )
        found.append(
            f"{card.name}: {len(lost):,} of {len(sent_pairs) - unsent:,} pairs that were sent have no score: {reasons}"
        )
    return found


def alarms_of(sent_pairs: pd.DataFrame, card: ModelCard) -> tuple[str, ...]:
    """Warnings if scores contradict the card: constant scores, or genuine pairs with lower scores than impostor pairs."""
    made = sent_pairs[sent_pairs["outcome"] == SCORED]
    scores, genuine = made["score"].to_numpy(np.float64), made["genuine"].to_numpy(np.bool_)
    found: list[str] = []
    if len(scores) > 1 and scores.min() == scores.max():
        found.append(f"{card.name}: every score is {scores[0]:.4g}; a constant score cannot distinguish people")
    sides: tuple[FloatArray, FloatArray] = (scores[genuine], scores[~genuine])
    if min(map(len, sides)) >= FEWEST and np.median(sides[0]) < np.median(sides[1]):
        falling = card.answer is not None and card.answer.falling
        cure = "a similarity, falling = true is wrong" if falling else "a distance, falling = true is missing"
        found.append(
            f"{card.name}: the median score of genuine pairs is lower than that of impostor pairs "
            f"({np.median(sides[0]):.4g} against "
            f"{np.median(sides[1]):.4g}); if the service's score is {cure} in [answer] of its card"
        )
    return tuple(found)
