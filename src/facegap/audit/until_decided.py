"""--stop-when-decided: call a service for subjects in random order until every gap of the primary family has a verdict.

The stored responses are the only state: a resumed run uses the same order, does not repeat a call for a stored response,
and stops at the same point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from facegap.audit.models import Loaded
from facegap.audit.record import record_of
from facegap.audit.resolved import ResolvedAudit
from facegap.audit.service_pairs import Originals, in_order, send_pairs
from facegap.audit.settings import AuditSettings
from facegap.derive.groupings import Cells, cells_of
from facegap.derive.margins import margin_of
from facegap.derive.outcomes import faces_table, predictions_table
from facegap.derive.primary import primary_family
from facegap.derive.results import run_metrics
from facegap.derive.units import subject_codes
from facegap.errors import SettingError, TableError
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.images.decode import quiet_decoders
from facegap.statistics.anytime import observed_by_group
from facegap.statistics.until_decided import FamilySoFar, gaps_of, undecided
from facegap.store.record import RequestRecord, RunRecord, StoppingRecord
from facegap.store.record.data import Ended
from facegap.store.run import Run
from facegap.tables import NOT_SENT, SCORED
from facegap.types import BoolArray, IntArray
from facegap.vision.look import Stages, empty_record, look
from facegap.vision.pipeline import STAGES
from facegap.vision.service.client import Service

PEOPLE_PER_LOOK = 25
FLAG = "--stop-when-decided"
WAS_DECIDED = "every gap was decided before it was sent"


# ---- before the first call ----


def require_stoppable(settings: AuditSettings, service: ModelCard | None) -> None:
    """Raise SettingError for settings that do not apply, or whose intervals do not allow repeated looks, in an audit that stops."""
    if service is None:
        raise SettingError(f"{FLAG}: no service is called; omit it, or give the card of a service with --classify")
    groups, verify = settings.groups, settings.verify
    others = {
        "--plan": groups.plan is not None,
        "--cluster": bool(groups.cluster),
        "--weights": groups.weights is not None,
        "--shares": groups.shares is not None,
        "--label-errors": groups.label_errors is not None,
        "--tone": groups.tone is not None,
        "--annotations": groups.annotations is not None,
        "--covariates": bool(groups.covariates),
        "--exclude-pairs": verify.exclude_pairs is not None,
        "--embed": settings.embed is not None,
    }
    for name in (name for name, given in others.items() if given):
        raise SettingError(
            f"{FLAG}: its intervals, which are valid after every batch of people, exist only for error rates of "
            f"people; omit {name}"
        )
    if settings.service.verify_service is not None and not verify.threshold and verify.fmr:
        raise SettingError(
            f"{FLAG} evaluates FNMR while pairs are sent, at a threshold fixed in advance; give --threshold instead "
            f"of --fmr"
        )


def require_one_group_each(resolved: ResolvedAudit) -> None:
    """Raise TableError for a subject in two groups of one grouping: the rates of both would then be correlated.

    Raises
    ------
    SettingError : if there are no groups
    """
    table = resolved.manifest
    if not resolved.groupings:
        raise SettingError(f"{FLAG} needs groups; give a label column with --by")
    people = subject_codes(table.frame)
    for grouping in resolved.groupings:
        codes = cells_of(table.frame, grouping).codes
        first = np.full(people.max(initial=-1) + 1, -1, np.int64)
        first[people[::-1]] = codes[::-1]
        other = np.flatnonzero(codes != first[people])
        if len(other):
            raise TableError(
                f"{table.name} line {table.frame['line'].iloc[other[0]]}, column {grouping[0]}: this image and an earlier one of "
                f"the same person are in different groups of {' x '.join(grouping)}; {FLAG} needs each person in one group"
            )


# ---- subjects and looks ----


@dataclass(frozen=True, eq=False)
class Queue:
    """Subjects in the order in which their images are sent.

    person : int64 (rows,), position in that order of the subject of each row
    """

    person: IntArray

    @property
    def people(self) -> int:
        """Number of subjects."""
        return int(self.person.max(initial=-1)) + 1

    def batches(self) -> Iterator[IntArray]:
        """Rows of PEOPLE_PER_LOOK subjects at a time, subject by subject."""
        order = np.argsort(self.person, kind="stable")
        of = self.person[order] // PEOPLE_PER_LOOK
        yield from np.split(order, np.flatnonzero(np.diff(of)) + 1) if len(order) else ()


def queue_of(subjects: IntArray, seed: int) -> Queue:
    """Subjects in random order. subjects : int64 (rows,), code of each row's subject, in order of appearance."""
    people = int(subjects.max(initial=-1)) + 1
    return Queue(np.random.default_rng(seed).permutation(people)[subjects].astype(np.int64))


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of one grouping, and which of them have enough subjects to be tested; decided before the first call.

    codes : int64 (trials,), group of each row or pair
    """

    codes: IntArray
    tested: BoolArray


def groups_of(cells: Cells, codes: IntArray, people: IntArray, fewest: int) -> Groups:
    """Groups with known labels and at least `fewest` subjects with a row or pair."""
    heads = np.array([len(np.unique(people[codes == k])) for k in range(len(cells.groups))], np.int64)
    return Groups(codes, (heads >= fewest) & np.array(cells.known, np.bool_))


def family_of(
    record: RunRecord, groupings: Sequence[Groups], metric: str, trials: BoolArray, errors: BoolArray, people: IntArray
) -> Iterator[FamilySoFar]:
    """The family of a metric in every grouping. trials, errors : bool (n,); people : int64 (n,)."""
    margin = margin_of(record, metric)
    for one in groupings:
        seen = observed_by_group(errors, trials, people, one.codes, len(one.tested))
        yield FamilySoFar(seen, one.tested, margin.size, margin.scale == "ratio")


def ended_of(open_gaps: int, all_sent: bool, budget: bool) -> Ended:
    """Why an audit stopped. all_sent : all images were sent, whether or not the budget is spent too."""
    return "decided" if not open_gaps else "budget" if budget and not all_sent else "everybody"


# ---- services that classify ----


def send_images_until_decided(
    resolved: ResolvedAudit, loaded: Loaded, request: RequestRecord, service: Service
) -> StoppingRecord:
    """Send images, subject by subject, until every gap is decided; the service then only returns stored responses.

    Raises
    ------
    RunError   : see `Service.call`
    TableError : if no metric of the run has a trial
    """
    table, settings = resolved.manifest, resolved.settings
    stages = Stages(None, None, None, colour=settings.faces.colour, service=service)
    rows: list[dict[str, Any]] = [
        {**empty_record(int(number), str(image), stages), "sent": False}
        for number, image in zip(table.frame["row"], table.frame["image"], strict=True)
    ]
    people, fewest = subject_codes(table.frame), settings.groups.min_subjects
    groupings = [
        groups_of(cells, cells.codes, people, fewest)
        for cells in (cells_of(table.frame, grouping) for grouping in resolved.groupings)
    ]
    record = record_of(resolved, loaded.facts, request, timed(rows))
    queue = queue_of(people, settings.verify.seed)
    metrics = primary_family(record, run_metrics(run_of(record, resolved, loaded, rows))).metrics
    stopping = StoppingRecord(metrics, 0, PEOPLE_PER_LOOK, settings.verify.seed, queue.people, 0, 0, 0, "everybody")

    def one(row: int) -> dict[str, Any]:
        image, path = str(table.frame["image"].iloc[row]), str(table.frame["path"].iloc[row])
        return look(int(table.frame["row"].iloc[row]), image, table.folder, path, stages).record

    with quiet_decoders():
        for batch in queue.batches():
            todo = [(row,) for row in batch.tolist()]
            for (row,), said in zip(todo, in_order(one, todo, loaded.execution.workers, service.stop), strict=True):
                rows[row] = said
            counted = run_metrics(run_of(record, resolved, loaded, rows))
            families = [
                family for name in metrics for family in family_of(record, groupings, name, *counted[name], people)
            ]
            all_sent = all(row["sent"] for row in rows)
            stopping = record_after_look(
                stopping, families, settings, people_sent(queue, rows), all_sent, spent(service)
            )
            settings.output.progress(stopping.asked, stopping.people)
            if stopping.ended != "everybody":
                break
    if stopping.ended == "decided":
        service.close_to_new(WAS_DECIDED)
    return stopping


def record_after_look(
    stopping: StoppingRecord,
    families: Sequence[FamilySoFar],
    settings: AuditSettings,
    asked: int,
    all_sent: bool,
    budget: bool,
) -> StoppingRecord:
    """The record after one more look. all_sent : whether all images were sent; budget : whether it is spent."""
    groups = settings.groups
    left = undecided(families, alpha=groups.alpha, fewest=groups.min_subjects)
    return replace(
        stopping,
        gaps=len(gaps_of(families)),
        asked=asked,
        looks=stopping.looks + 1,
        undecided=left,
        ended=ended_of(left, all_sent, budget),
    )


def spent(service: Service) -> bool:
    """Whether the call limit allows no more calls."""
    limit = service.limits.max_calls
    return limit is not None and service.sent().calls >= limit


def people_sent(queue: Queue, rows: Sequence[dict[str, Any]]) -> int:
    """Number of subjects with at least one image that was sent."""
    return len(np.unique(queue.person[[bool(row["sent"]) for row in rows]]))


def run_of(record: RunRecord, resolved: ResolvedAudit, loaded: Loaded, rows: Sequence[dict[str, Any]]) -> Run:
    """An incomplete run, from which errors are counted."""
    frame, nothing = timed(rows), pd.DataFrame()
    said = predictions_table(frame, resolved.manifest.frame, loaded.models.classes, resolved.outputs)
    return Run(record, resolved.manifest.frame, faces_table(frame, embedded=False), said, nothing, nothing, nothing)


def timed(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The records of images as a table with the time columns of the pipeline, which are not used here."""
    return pd.DataFrame(rows).assign(**{f"{stage}_ns": 0 for stage in STAGES})


# ---- services that compare ----


def pairs_by_person(pairs: pd.DataFrame, people: IntArray, seed: int) -> pd.DataFrame:
    """The plan with genuine pairs first, subject by subject in random order, then the impostor pairs in random order."""
    genuine = pairs["genuine"].to_numpy(np.bool_)
    place = np.where(genuine, queue_of(people, seed).person[pairs["left"].to_numpy(np.int64)], len(people))
    ordered: pd.DataFrame = pairs.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)
    return ordered


def send_pairs_until_decided(
    plan: pd.DataFrame,
    originals: Originals,
    service: Service,
    resolved: ResolvedAudit,
    record: RunRecord,
    *,
    workers: int,
    on_pair: Callable[[], None],
) -> tuple[pd.DataFrame, StoppingRecord]:
    """`send_pairs`, for genuine pairs only until the gaps of FNMR at the first threshold are decided, then for impostor pairs.

    plan : from `pairs_by_person`
    """
    settings, frame = resolved.settings, resolved.manifest.frame
    people = subject_codes(frame)
    genuine = plan[plan["genuine"]]
    sides = genuine[["left", "right"]].to_numpy(np.int64)
    mates = people[sides[:, 0]]
    groupings = [pair_groups(cells_of(frame, one), sides, mates, settings) for one in resolved.groupings]
    queue = Queue(np.asarray(pd.factorize(mates)[0], np.int64))  # in the order of the pairs
    threshold = resolved.given[0].threshold
    stopping = StoppingRecord(("fnmr",), 0, PEOPLE_PER_LOOK, settings.verify.seed, queue.people, 0, 0, 0, "everybody")
    said: list[pd.DataFrame] = []
    for batch in queue.batches():
        said.append(send_pairs(genuine.iloc[batch], originals, service, workers=workers, on_pair=on_pair))
        known = pd.concat(said)
        scored = np.zeros(len(genuine), np.bool_)
        scored[: len(known)] = (known["outcome"] == SCORED).to_numpy()
        refused = np.zeros(len(genuine), np.bool_)
        refused[: len(known)] = ~(known["score"].to_numpy(np.float64) >= threshold)
        families = list(family_of(record, groupings, "fnmr", scored, refused & scored, mates))
        sent = (known["outcome"] != NOT_SENT).to_numpy(np.bool_)
        asked = len(np.unique(mates[: len(known)][sent]))
        all_sent = int(sent.sum()) == len(genuine)
        stopping = record_after_look(stopping, families, settings, asked, all_sent, spent(service))
        if stopping.ended != "everybody":
            break
    done = sum(map(len, said))
    rest = genuine.iloc[done:].assign(score=np.nan, outcome=NOT_SENT, detail=WAS_DECIDED)
    if stopping.ended == "budget":
        rest = rest.assign(detail=f"the budget of {service.limits.max_calls} calls was spent")
    for _ in range(len(rest)):
        on_pair()
    impostors = send_pairs(plan[~plan["genuine"]], originals, service, workers=workers, on_pair=on_pair)
    return pd.concat([*said, rest, impostors], ignore_index=True), stopping


def pair_groups(cells: Cells, sides: IntArray, mates: IntArray, settings: AuditSettings) -> Groups:
    """The group of each genuine pair, -1 if its images are in two groups."""
    left, right = cells.codes[sides[:, 0]], cells.codes[sides[:, 1]]
    return groups_of(cells, np.where(left == right, left, -1), mates, settings.groups.min_subjects)


# ---- notes ----


def stopping_sentences(stopping: StoppingRecord | None) -> tuple[str, ...]:
    """Notes for the reader of an audit that could stop early."""
    if stopping is None:
        return ()
    return (
        f"{FLAG}: intervals of single rates, and of gaps outside the primary family, are those of an audit of fixed "
        f"size; only limits and verdicts of the primary family account for repeated looks at the data, and each "
        f"person has equal weight in them",
    )
