"""The order of the stages of an audit of images: manifest -> models -> parts -> comparisons -> tables.

Audits of black boxes start at a later stage: predictions.py at the predictions, scores.py at templates and scores. All
start with `resolve` and end with `finish`.

Stages are imported inside the functions, so that commands which need only `recheck` or a counter do not wait for
pandas or OpenCV.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facegap.audit.finish import Place
    from facegap.audit.models import ChosenModels, Loaded
    from facegap.audit.protocols import ListedProtocol
    from facegap.audit.resolved import ResolvedAudit
    from facegap.audit.settings import AuditSettings
    from facegap.inputs.manifests.read import Manifest
    from facegap.store.record import RequestRecord, RunRecord, Shard, StoppingRecord
    from facegap.store.run import Run
    from facegap.vision.pipeline import Part

Progress = Callable[[int, int], None]  # images done, total images


@dataclass
class Counter:
    """Count of processed images, updated from several threads; a lost update would only delay the progress bar."""

    total: int
    report: Progress
    done: int = field(default=0)

    def add(self) -> None:
        """Add one to the count."""
        self.done += 1
        self.report(self.done, self.total)


def audit(manifest: Path, settings: AuditSettings, protocol: ListedProtocol | None = None) -> Run:
    """Run face models on the portraits of a manifest and measure their errors by group; see `facegap.audit`.

    protocol : its pairs are the only ones compared; None: those of the settings, or all pairs

    Raises
    ------
    FacegapError : if the audit cannot run; the message names the problem, the place and the remedy
    """
    from facegap.audit.models import open_models
    from facegap.audit.on_cluster import on_workers, opened_cluster, require_no_cluster_of_services

    require_no_cluster_of_services(settings)
    if settings.service.verify_service is not None:
        from facegap.audit.by_service import audit_by_service

        return audit_by_service(manifest, settings)
    if settings.service.search_service is not None:
        from facegap.audit.by_search import audit_by_search

        return audit_by_search(manifest, settings)
    resolved = resolved_audit(manifest, settings, protocol)
    require_all_files(resolved)
    with opened_cluster(resolved.settings, resolved.models.cards) as cluster:
        loaded = open_models(resolved.models, resolved.settings)
        try:
            return run_loaded(resolved, on_workers(loaded, cluster))
        finally:
            loaded.close()


def resolved_audit(
    manifest: Path, settings: AuditSettings, protocol: ListedProtocol | None = None, chosen: ChosenModels | None = None
) -> ResolvedAudit:
    """Everything that is decided before the first image, and before any model is opened.

    chosen : the models if already known; None: those named in the settings

    Raises
    ------
    FacegapError : if the audit cannot succeed; see `resolve`
    """
    from facegap.audit.model_checks import require_a_task
    from facegap.audit.plan_file import with_plan
    from facegap.audit.quality import require_quality, with_qualities
    from facegap.audit.refused import require_askable, require_no_video, require_one_unit
    from facegap.audit.resolved import people_of, resolve

    require_a_task(settings)
    settings, plan = with_plan(settings)
    compares = settings.embed is not None
    table = people_of(manifest, settings, compares=compares)
    require_one_unit(table, settings)
    require_no_video(table, settings)
    require_quality(settings, table)
    resolved = resolve(
        table, settings, runs_models=True, compares=compares, plan=plan, protocol=protocol, chosen=chosen
    )
    resolved = with_qualities(resolved)
    require_askable(resolved)
    if settings.service.stop_when_decided:
        from facegap.audit.consent import service_among
        from facegap.audit.until_decided import require_one_group_each, require_stoppable

        require_stoppable(settings, service_among(resolved.models.cards))
        require_one_group_each(resolved)
    return resolved


def require_all_files(resolved: ResolvedAudit, shard: Shard | None = None) -> None:
    """Raise an error if image files of the manifest are missing, unless this is allowed. shard : check only its images.

    Raises
    ------
    TableError : see `require_files`
    """
    from facegap.audit.files import require_files

    if resolved.settings.faces.allow_missing:
        return
    require_files(share_of(resolved.manifest.by_image, shard), resolved.groupings)
    if resolved.threshold_set is not None:
        require_files(share_of(resolved.threshold_set.by_image, shard), ())


def share_of(table: Manifest, shard: Shard | None) -> Manifest:
    """The rows of a manifest by image that belong to a shard; all without one."""
    import numpy as np

    from facegap.vision.pipeline import PART_ROWS

    if shard is None:
        return table
    inside = np.arange(len(table.frame)) // PART_ROWS % shard.of == shard.number - 1
    return replace(table, frame=table.frame[inside])


def run_loaded(resolved: ResolvedAudit, loaded: Loaded) -> Run:
    """Print the notes that come before the first image, and run."""
    from facegap.audit.consent import require_leave, service_among
    from facegap.audit.finish import run_folder

    table, settings = resolved.manifest, resolved.settings
    print_remarks(loaded, settings)
    if (card := service_among(loaded.cards)) is not None:
        require_leave(card, settings, f"{len(table.by_image.frame):,} images")
    with run_folder(settings.output) as place:
        return run_in(place, resolved, loaded)


def print_remarks(loaded: Loaded, settings: AuditSettings) -> None:
    """Print remarks on the models before the first image; the report repeats them above the result."""
    remarks = loaded.remarks
    for said in (*loaded.remembered.alarms, *remarks.alarms, *remarks.notices):
        settings.output.notice(said)


def run_in(place: Place, resolved: ResolvedAudit, loaded: Loaded) -> Run:
    """Run the parts that are not done yet in a folder, then compute the tables."""
    from facegap.audit.consent import open_service, service_among
    from facegap.audit.evidence import evidence_of
    from facegap.audit.finish import finish
    from facegap.audit.phases import ASKED, IMAGES, THRESHOLD_SET
    from facegap.store import run as store

    settings, folder = resolved.settings, place.folder
    request, done = begun_or_finished(place, resolved)
    if done is not None:
        return done
    started = time.perf_counter_ns()
    if resolved.threshold_set is not None:  # without the service: its outputs for these images are not evaluated
        settings.output.phase(THRESHOLD_SET)
        process(folder / store.THRESHOLD_SET, resolved.threshold_set.by_image, loaded, settings)
    stopping = None
    if (card := service_among(loaded.cards)) is not None:
        service = open_service(card, folder, settings, len(resolved.manifest.by_image.frame))
        loaded = replace(loaded, stages=replace(loaded.stages, service=service))
        if settings.service.stop_when_decided:
            from facegap.audit.until_decided import send_images_until_decided

            settings.output.phase(ASKED)
            stopping = send_images_until_decided(resolved, loaded, request, service)
    settings.output.phase(IMAGES)
    process(folder, resolved.manifest.by_image, loaded, settings)
    evidence = evidence_of(folder, resolved, loaded.facts, request, started, loaded.cluster)
    if loaded.stages.service is not None:
        evidence = replace(evidence, record=replace(evidence.record, sent=loaded.stages.service.sent()))
    if stopping is not None:
        evidence = replace(evidence, record=stopped(evidence.record, stopping))
    if loaded.cluster is not None:
        warnings = (*evidence.record.warnings, *loaded.cluster.mixed_warnings())
        evidence = replace(evidence, record=replace(evidence.record, warnings=warnings))
    return finish(resolved, evidence, place)


def stopped(record: RunRecord, stopping: StoppingRecord) -> RunRecord:
    """The record of an audit that could stop early, with a note for the reader."""
    from facegap.audit.until_decided import stopping_sentences

    return replace(record, stopping=stopping, warnings=(*record.warnings, *stopping_sentences(stopping)))


def begun_or_finished(place: Place, resolved: ResolvedAudit) -> tuple[RequestRecord, Run | None]:
    """The request, and the run in a folder if it is complete; otherwise the request is recorded there.

    Raises
    ------
    RunError : if the folder contains another run, or a run that was changed after it finished
    """
    from facegap.audit.consent import reopen_for_calls, service_among
    from facegap.audit.record import as_first_read, request_of, require_same_request, with_cards
    from facegap.audit.refused import require_same_functions
    from facegap.errors import RunError
    from facegap.runtime import versions_here
    from facegap.store import run as store
    from facegap.store.finished import read_to_resume
    from facegap.store.record import BegunRecord, ShardRecord

    settings, folder, cards = resolved.settings, place.folder, resolved.models.cards
    request = with_cards(request_of(resolved, "images"), cards, versions_here())
    card = service_among(cards)
    if not (folder / store.RECORD).exists():
        store.write_record(folder, BegunRecord(request, None if card is None else settings.service.max_calls))
        return request, None
    require_same_functions(folder, settings)
    record = store.read_any_record(folder)
    request = as_first_read(request, record.request)
    require_same_request(folder, record.request, request)
    if isinstance(record, ShardRecord):
        raise RunError(
            f"{folder}: shard {record.shard} of this audit; continue it with --shard {record.shard} --resume"
        )
    if card is not None:
        reopen_for_calls(folder, record, settings.service)
    return request, read_to_resume(folder) if store.is_whole(folder) else None


def process(folder: Path, table: Manifest, loaded: Loaded, settings: AuditSettings, shard: Shard | None = None) -> None:
    """Run every part that is not committed yet, and commit each one when it is complete. shard : only its parts; None: all.

    Raises
    ------
    TableError : if more than a few images could not be passed to a model; committed parts are kept
    RunError   : if an image of a committed part has changed since it was passed to the models
    """
    from facegap.audit.kept_parts import kept_parts
    from facegap.vision.pipeline import PART_ROWS

    committed = kept_parts(folder, table, PART_ROWS, embedded=loaded.stages.dimension is not None)
    count = -(-len(table.frame) // PART_ROWS)
    parts = range(count) if shard is None else shard.parts(count)
    todo = [number for number in parts if number not in committed]
    with counted(table, parts, todo, settings) as on_image:
        found = parts_of(table, loaded, settings, todo, on_image)
        try:
            write_parts(((number, {folder: part}) for number, part in found), table, settings)
        finally:
            if loaded.stages.service is not None:
                loaded.stages.service.close()


@contextlib.contextmanager
def counted(
    table: Manifest, parts: Sequence[int], todo: Sequence[int], settings: AuditSettings
) -> Iterator[Callable[[], None]]:
    """Within the block, each image is read by one OpenCV thread, and the yielded function counts finished images.

    parts, todo : numbers of the requested parts, and of those that remain to be done
    """
    import cv2

    from facegap.inputs.images.decode import quiet_decoders
    from facegap.vision.pipeline import PART_ROWS

    rows = len(table.frame)
    requested = rows_in(parts, rows, PART_ROWS)
    counter = Counter(requested, settings.output.progress, requested - rows_in(todo, rows, PART_ROWS))
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # workers decode different images in parallel; OpenCV threads would compete with them
    try:
        with quiet_decoders():
            yield counter.add
    finally:
        cv2.setNumThreads(threads)


def write_parts(parts: Iterable[tuple[int, Mapping[Path, Part]]], table: Manifest, settings: AuditSettings) -> None:
    """Commit each part to its folders when it is complete.

    Raises
    ------
    TableError : if more than a few images could not be passed to a model
    """
    from facegap.audit.files import Unreadable
    from facegap.store import run as store

    unreadable = Unreadable(len(table.frame), settings.faces.allow_missing)
    for number, by_folder in parts:
        for folder, part in by_folder.items():
            store.write_part(folder, number, part.rows, part.embeddings)
        unreadable.add(next(iter(by_folder.values())).rows)


def parts_of(
    table: Manifest, loaded: Loaded, settings: AuditSettings, todo: Sequence[int], on_image: Callable[[], None]
) -> Iterator[tuple[int, Part]]:
    """The results of these parts as they are completed, from the threads of this process or the workers of a cluster."""
    from facegap.vision.pipeline import run_parts

    if loaded.cluster is not None:
        from facegap.audit.on_cluster.worker import LOOK

        return loaded.cluster.run_parts(table, loaded, settings, todo, LOOK, on_image=on_image)
    workers = loaded.execution.workers
    return run_parts(table.frame, table.folder, loaded.stages, workers=workers, todo=todo, on_image=on_image)


def rows_in(parts: Sequence[int], rows: int, part_rows: int) -> int:
    """Manifest rows in some parts; the last part may be shorter."""
    return sum(min(rows, (number + 1) * part_rows) - number * part_rows for number in parts)


def recheck(folder: str | Path) -> list[str]:
    """Hash every file of a finished run and compute its tables again; return the differences, an empty list if there are none.

    Tables are computed again only if every file has its recorded hash.

    Raises
    ------
    RunError : if the folder contains no finished run
    """
    from facegap.derive.run import derived
    from facegap.store import run as store

    folder = Path(folder)
    problems = store.broken_hashes(folder)
    if problems:  # changed rows would give other tables, which says nothing of the stored ones
        return problems
    with store.fitting_together(folder):
        tables = store.result_tables(derived(store.read_run(folder)))
    for name, frame in tables.items():
        path = folder / name
        if (path.read_bytes() if path.is_file() else b"") != store.csv_bytes(frame):
            problems.append(f"{name}: differs from the result of the stored rows")
    return problems
