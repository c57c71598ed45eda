"""Audit of a service that searches (1:N): facegap enrols a gallery by requests, searches it, and stores the candidate lists."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facegap.audit.by_service import limit_of, require_single_images, source_of, stages_of, thresholds_of, workers_of
from facegap.audit.consent import open_service, reopen_for_calls, require_leave
from facegap.audit.enrolment import roles_in_words
from facegap.audit.files import Unreadable, colour_record, require_files
from facegap.audit.finish import Evidence, Place, finish, run_folder
from facegap.audit.identify import LIST, fpir_point_of_lists
from facegap.audit.phases import SEARCHES
from facegap.audit.record import as_first_read, black_box_record, card_warnings, request_of, require_same_request
from facegap.audit.resolved import ResolvedAudit, people_of, resolve
from facegap.audit.service_pairs import Originals, in_order, unseen
from facegap.audit.settings import NO_DETECT, AuditSettings, Identify, Verify
from facegap.derive.identification import GALLERY, PROBE
from facegap.derive.never_shown import never_shown_sentences
from facegap.derive.outcomes import faces_table, predictions_table
from facegap.derive.units import subject_codes
from facegap.errors import RunError, SettingError, TableError
from facegap.inputs.cards.read import resolve_card
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.service import AnswerSpec
from facegap.inputs.images.decode import EXIF_RULE, quiet_decoders
from facegap.store import run as store
from facegap.store.finished import read_to_resume
from facegap.store.opened import read_file
from facegap.store.record import BegunRecord, IdentificationRecord, Operating
from facegap.store.run import Run, Searched
from facegap.tables import NEVER_SHOWN
from facegap.types import IntArray
from facegap.vision.service.client import ANSWERS, Limits, Service
from facegap.vision.service.compare import rising
from facegap.vision.service.search import Answered, enrol, search
from facegap.vision.service.wire import read_key

NAME, MOST_NAME_BYTES = re.compile(r"facegap-[0-9a-f]{8}"), 64
GALLERY_NAME = "gallery.txt"  # in the folder of responses: prefix of the names of enrolled images
IN_SAMPLE_SEARCHES = "the same searches on which it is evaluated (IN-SAMPLE)"
FIRST_LOOK = 20  # searches after which it is an error if the card has read no candidate list


def audit_by_search(manifest: Path, settings: AuditSettings) -> Run:
    """Enrol a gallery at the service of --search-service, search it, and measure errors by group; see `facegap.audit`.

    Raises
    ------
    FacegapError : if the audit cannot run; the message names the problem, the place and the remedy
    """
    settings = replace(settings, identify=settings.identify or Identify())
    require_alone(settings)
    assert settings.service.search_service is not None
    card, _ = resolve_card(settings.service.search_service, "search")
    read_key(card)
    table = people_of(manifest, settings, compares=True)
    require_single_images(table)
    thresholds = thresholds_of(card, settings.verify)
    require_readable(card, settings, thresholds)
    resolved = resolve(table, settings, runs_models=False, compares=True, thresholds=thresholds)
    if not settings.faces.allow_missing:
        require_files(table, resolved.groupings)
    assert resolved.search_roles is not None
    enrolled, probes = (int((resolved.search_roles == role).sum()) for role in (GALLERY, PROBE))
    limit = settings.service.max_calls
    if limit is not None and limit <= enrolled:
        raise SettingError(
            f"--max-calls {limit:,} is too small to enrol the gallery of {enrolled:,} images; allow more calls, or "
            f"use a smaller manifest"
        )
    require_leave(card, settings, f"{enrolled:,} images to enrol and {probes:,} probes")
    with run_folder(settings.output) as place:
        return searched_in(place, resolved, card)


def require_alone(settings: AuditSettings) -> None:
    """Raise SettingError for a setting that does not apply when a service enrols and searches."""
    verify = settings.verify
    others = {
        "--embed": settings.embed is not None,
        "--classify": settings.classify is not None,
        "--verify-service": settings.service.verify_service is not None,
        "--detect": "detect" in settings.stated and settings.detect != NO_DETECT,
        "--points": settings.faces.points is not None,
        "--detect-only": settings.models.detect_only,
        "--pairs": verify.pairs is not None,
        "--sample-pairs": verify.sample_pairs is not None,
        "--exclude-pairs": verify.exclude_pairs is not None,
        "--threshold-on": verify.threshold_on is not None,
        "--distance": verify.distance,
        "--quality": settings.faces.quality is not None,
        "--plan": settings.groups.plan is not None,
        "--stop-when-decided": settings.service.stop_when_decided,
    }
    for name in (name for name, given in others.items() if given):
        raise SettingError(
            f"--search-service calls a service that detects, enrols and searches faces itself; omit {name}"
        )


def require_readable(card: ModelCard, settings: AuditSettings, thresholds: Verify) -> None:
    """Raise SettingError for ranks and thresholds that the candidate lists of the service cannot support."""
    assert card.answer is not None and card.answer.most_candidates is not None and settings.identify is not None
    deepest = max(settings.identify.rank)
    if deepest >= card.answer.most_candidates:
        raise SettingError(
            f"--rank {deepest}: {card.name} returns at most {card.answer.most_candidates} candidates, and one more "
            f"than the highest rank is needed to detect ties at the end of the list; use lower ranks, or request "
            f"more candidates in its card"
        )
    if not thresholds.threshold and not settings.verify.in_sample:
        raise SettingError(
            "--search-service: no subjects are held out for setting a threshold; give --threshold, or --in-sample, "
            "with --fpir or with ranks alone"
        )
    lowest = card.answer.lowest_score
    floor = -math.inf if lowest is None else rising(lowest, card.answer)
    below = next((value for value in thresholds.threshold if float(value) < floor), None)
    if below is not None:
        raise SettingError(
            f"--threshold {below}: {card.name} omits candidates below {floor:g}; give at least that value"
        )


def searched_in(place: Place, resolved: ResolvedAudit, card: ModelCard) -> Run:
    """Enrol and search the images that are not done yet in a folder, then compute the tables."""
    settings, folder = resolved.settings, place.folder
    request = replace(request_of(resolved, "images"), cards={"search": card.model_dump(mode="json")})
    if (folder / store.RECORD).exists():
        begun = store.read_any_record(folder)
        request = as_first_read(request, begun.request)
        require_same_request(folder, begun.request, request)
        reopen_for_calls(folder, begun, settings.service)
        if store.is_whole(folder):
            return read_to_resume(folder)
    else:
        store.write_record(folder, BegunRecord(request, settings.service.max_calls))
    settings.output.phase(SEARCHES)
    originals = Originals(resolved.manifest.frame, resolved.manifest.folder, stages_of(settings), limit_of(card))
    responses = enrol_and_search(resolved, card, folder, originals)
    rows = rows_of_images(originals, responses.answers)
    people = subject_codes(resolved.manifest.frame)
    assert resolved.search_roles is not None and settings.identify is not None
    searched = Searched(resolved.search_roles, lists_of(responses, people, max(settings.identify.rank) + 1))
    record = black_box_record(resolved, {"detect": card.name, "embed": card.name}, request)
    record = replace(
        record,
        identification=IdentificationRecord(
            settings.identify.rank,
            roles_in_words(settings.identify, settings.verify.seed),
            (
                *(replace(point, source=source_of(card, settings)) for point in resolved.given),
                *fpir_points(resolved, searched, responses.answers, card),
            ),
        ),
        sent=responses.service.sent(),
        colour=colour_record(rows, settings.faces.colour),
        conventions=replace(record.conventions, exif=EXIF_RULE),
        warnings=(
            *never_shown_sentences(resolved.manifest.frame, rows["outcome"], resolved.groupings),
            *record.warnings,
            *card_warnings({"search": card}),
            *lost_sentences(rows, resolved, card),
        ),
    )
    faces = faces_table(rows, embedded=False)
    return finish(
        resolved,
        Evidence(record, faces, predictions_table(rows, resolved.manifest.frame, ()), searched=searched),
        place,
    )


@dataclass(frozen=True, eq=False)
class Responses:
    """Responses of the service. answers : by manifest row; names : of enrolled images -> manifest row; service : in its last state"""

    answers: dict[int, Answered]
    names: dict[str, int]
    service: Service


def enrol_and_search(resolved: ResolvedAudit, card: ModelCard, folder: Path, originals: Originals) -> Responses:
    """Enrol all images of the gallery, then search with every probe.

    Raises
    ------
    RunError   : see `Service.call`; if a candidate was not enrolled by this run
    TableError : if more than a few images cannot be sent, or none of the first searches has a usable response
    """
    settings, roles = resolved.settings, resolved.search_roles
    assert roles is not None
    gallery, probes = (np.flatnonzero(roles == role).tolist() for role in (GALLERY, PROBE))
    workers = workers_of(settings)
    check_all(originals, [*gallery, *probes], workers, settings)
    searching = open_service(card, folder, settings, len(gallery) + len(probes))
    limits = Limits(settings.service.max_calls, settings.service.calls_per_second)
    enrolling = Service(card.model_copy(update={"request": card.enrol}), read_key(card), folder, limits)
    names = {row: f"{name_of_gallery(folder)}-{row:07d}" for row in gallery}
    answers: dict[int, Answered] = {}
    done = Progress(settings.output.progress, len(gallery) + len(probes))
    try:
        send_rows(
            gallery,
            originals,
            enrolling,
            lambda row, data: enrol(enrolling, row, data, names[row]),
            answers,
            workers,
            done,
        )
        searching.close()
        searching = Service(card, read_key(card), folder, limits)  # its budget excludes the calls made for enrolment
        rows_of_names = {name: row for row, name in names.items()}
        send_rows(
            probes,
            originals,
            searching,
            lambda row, data: search(searching, row, data),
            answers,
            workers,
            done,
            lambda said: require_own(said, rows_of_names, card),
        )
    finally:
        enrolling.close()
        searching.close()
    return Responses(answers, rows_of_names, searching)


@dataclass
class Progress:
    """Count of processed images. report : called with this count and the total."""

    report: Callable[[int, int], None]
    total: int
    done: int = 0

    def add(self) -> None:
        """Add one to the count."""
        self.done += 1
        self.report(self.done, self.total)


def send_rows(
    rows: Sequence[int],
    originals: Originals,
    service: Service,
    ask: Callable[[int, bytes], Answered],
    answers: dict[int, Answered],
    workers: int,
    done: Progress,
    require: Callable[[Answered], None] = lambda said: None,
) -> None:
    """Send every image that can be sent, in order, and record the outcome.

    require : raises for a response after which no further image may be sent

    Raises
    ------
    TableError : if none of the first images has a usable response
    """
    sent = [row for row in rows if originals.can_be_sent(row)]
    first: list[Answered] = []
    for row, said in zip(
        sent,
        in_order(lambda row: ask(row, originals.data(row)), [(row,) for row in sent], workers, service.stop),
        strict=True,
    ):
        require(said)
        answers[row] = said
        done.add()
        first.append(said)
        if len(first) == FIRST_LOOK and all(one.outcome == "no_template" for one in first):
            raise TableError(
                f"{service.card.name}: none of the first {FIRST_LOOK} images has a usable response: "
                f"{first[-1].detail}. No further ones are sent; compare the card with a response in "
                f"{service.folder}, and choose another --out"
            )


def name_of_gallery(folder: Path) -> str:
    """Prefix of the names of enrolled images: random per run, so that no two runs share a name."""
    path = folder / ANSWERS / GALLERY_NAME
    if not path.exists():
        store.write_bytes(path, f"facegap-{secrets.token_hex(4)}".encode())
    name = read_file(path, MOST_NAME_BYTES).decode("ascii", "replace")
    if NAME.fullmatch(name) is None:  # it becomes part of URLs
        raise RunError(f"{path}: not a gallery name created by facegap; choose another --out")
    return name


def check_all(originals: Originals, rows: Sequence[int], workers: int, settings: AuditSettings) -> None:
    """Decode every image before the first call.

    Raises
    ------
    TableError : if more than a few images cannot be sent
    """
    unreadable = Unreadable(len(rows), settings.faces.allow_missing)
    with quiet_decoders():
        for record in in_order(originals.check_image, [(row,) for row in rows], workers, lambda: None):
            unreadable.add(pd.DataFrame([record]))


def require_own(said: Answered, names: Container[str], card: ModelCard) -> None:
    """Raise RunError if a candidate was not enrolled by this run, as FPIR would then refer to another gallery."""
    strangers = {name for name, _ in said.candidates if name not in names}
    if strangers:
        raise RunError(
            f"{card.name}: {len(strangers):,} candidates of one response were not enrolled by this run; the gallery "
            f"contains other people, so rates would not refer to the gallery of the manifest. Clear the service's "
            f"gallery (or give an empty one in the card), and choose another --out"
        )


def rows_of_images(originals: Originals, answers: dict[int, Answered]) -> pd.DataFrame:
    """The outcome of each image in the manifest: the columns of the pipeline, one row per image."""
    found = []
    for row in range(len(originals.table)):
        record: dict[str, Any] = dict(originals.rows.get(row, unseen(originals, row)))
        if (said := answers.get(row)) is not None and record["outcome"] not in NEVER_SHOWN:
            record |= {"outcome": said.outcome, "detail": said.detail}
        found.append(record)
    return pd.DataFrame(found)


def lists_of(responses: Responses, people: IntArray, length: int) -> pd.DataFrame:
    """Stored candidate lists, see `Searched`; of the probe's own subject, only the best image is listed."""
    found: list[tuple[int, int, int, float]] = []
    for probe, said in responses.answers.items():
        rank, mate_seen = 0, False
        for name, score in said.candidates:
            gallery = responses.names[name]
            is_mate = people[gallery] == people[probe]
            if (is_mate and mate_seen) or rank == length:
                continue
            rank, mate_seen = rank + 1, mate_seen or bool(is_mate)
            found.append((probe, rank, gallery, score))
    lists = np.array(found, LIST)
    frame = pd.DataFrame({name: lists[name] for name in lists.dtype.names or ()})
    return frame.sort_values(["probe", "rank"], ignore_index=True)


def fpir_points(
    resolved: ResolvedAudit, searched: Searched, answers: Mapping[int, Answered], card: ModelCard
) -> list[Operating]:
    """A threshold for each target FPIR, set on the answered non-mated searches, including those with an empty list."""
    assert resolved.settings.identify is not None and card.answer is not None
    people = subject_codes(resolved.manifest.frame)
    enrolled = people[searched.roles == GALLERY]
    strangers = np.flatnonzero((searched.roles == PROBE) & ~np.isin(people, enrolled))
    lists = searched.lists[searched.lists["probe"].isin(strangers) & (searched.lists["rank"] == 1)]
    tops = lists["score"].to_numpy(np.float64)
    empty = sum(answers[row].outcome == "ok" for row in strangers.tolist() if row in answers) - len(tops)
    lowest = lowest_shown(card.answer)
    return [
        fpir_point_of_lists(tops, empty, target, IN_SAMPLE_SEARCHES, lowest)
        for target in resolved.settings.identify.fpir
    ]


def lowest_shown(answer: AnswerSpec) -> float:
    """The lowest score that a listed candidate can have, on the scale of the tables."""
    assert answer.score_range is not None
    return (
        min(rising(score, answer) for score in answer.score_range)
        if answer.lowest_score is None
        else rising(answer.lowest_score, answer)
    )


def lost_sentences(rows: pd.DataFrame, resolved: ResolvedAudit, card: ModelCard) -> list[str]:
    """How many images the service did not enrol and how many searches it did not answer, with the most common reasons."""
    found = []
    for role, words in (
        (GALLERY, "images of the gallery were not enrolled (failures to enrol, FTE)"),
        (PROBE, "searches have no response"),
    ):
        of_role = rows[(resolved.search_roles == role) & ~rows["outcome"].isin(NEVER_SHOWN)]
        lost = of_role[of_role["outcome"] != "ok"]
        if len(lost):
            reasons = "; ".join(f"{why} ({count:,})" for why, count in list(lost["detail"].value_counts().items())[:5])
            found.append(f"{card.name}: {len(lost):,} of {len(of_role):,} {words}: {reasons}")
    return found
