"""The order of the stages: manifest -> models -> parts -> comparisons -> tables. The only file that knows it.

Imports of the stages stand inside the functions, so that commands which only need `recheck` or a counter wait for neither
pandas nor OpenCV.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from facegap.audit.models import Loaded
    from facegap.audit.settings import AuditSettings
    from facegap.audit.verify import Images
    from facegap.inputs.manifests.read import Manifest
    from facegap.store.run import Run

Progress = Callable[[int, int], None]  # images done, images in all


@dataclass
class Counter:
    """Images done, counted from several threads; a lost update would only make the bar lag."""

    total: int
    report: Progress
    done: int = field(default=0)

    def add(self) -> None:
        """One more."""
        self.done += 1
        self.report(self.done, self.total)


def audit(manifest: Path, settings: AuditSettings) -> Run:
    """Run face models on the portraits of a manifest and measure their errors by group; see `facegap.audit`.

    Raises
    ------
    FacegapError : each of its kinds, saying what was wrong, where, and what to do
    """
    from facegap.audit.consent import require_leave, service_among
    from facegap.audit.enrolment import require_possible
    from facegap.audit.files import require_files
    from facegap.audit.manifests import manifest_of, other_manifest
    from facegap.audit.models import chosen_groupings, load_models, require_a_task
    from facegap.audit.people import require_people
    from facegap.audit.verify import require_comparable, require_enough_pairs
    from facegap.derive.label_uncertainty.attach import with_tone

    require_a_task(settings)
    groups, verify, output = settings.groups, settings.verify, settings.output
    faces = settings.faces
    table = manifest_of(manifest, settings)
    table = with_tone(table, manifest, groups.tone, groups.annotations, draws=groups.label_draws, seed=verify.seed)
    groupings, _ = chosen_groupings(table, settings)  # a misspelt --by must not cost an hour of detection
    if settings.identify is not None:
        require_possible(table.frame, settings.identify, verify, settings.embed)
    if settings.embed is not None:
        require_people(table, verify)
    elsewhere = None
    if verify.threshold_on is not None:
        elsewhere = other_manifest(verify.threshold_on, settings)
    if settings.embed is not None:
        require_comparable(table.frame, None if elsewhere is None else elsewhere.frame, groupings, verify)
    if not faces.allow_missing:
        require_files(table, groupings)
        if elsewhere is not None:
            require_files(elsewhere, ())
    loaded = load_models(settings)
    if settings.embed is not None:
        require_enough_pairs(table.frame, None if elsewhere is None else elsewhere.frame, verify)
    remarks = loaded.remarks
    for said in (*loaded.remembered.alarms, *remarks.alarms, *remarks.notices):
        output.notice(said)  # before the first image, and again above the result
    if (card := service_among(loaded.cards)) is not None:
        require_leave(card, settings, len(table.frame))
    with run_folder(output.folder, resume=output.resume) as (folder, lasting):
        return run_in(folder, table, elsewhere, settings, loaded, lasting=lasting)


@contextlib.contextmanager
def run_folder(out: Path | None, *, resume: bool) -> Iterator[tuple[Path, bool]]:
    """The folder of the run, and whether it stays: a temporary one where the caller wants the run in memory only."""
    from facegap.store.run import open_folder

    if out is None:
        with tempfile.TemporaryDirectory(prefix="facegap-") as temporary:
            yield Path(temporary), False
    else:
        with open_folder(out, resume=resume):
            yield out, True


def run_in(
    folder: Path,
    table: Manifest,
    elsewhere: Manifest | None,
    settings: AuditSettings,
    loaded: Loaded,
    *,
    lasting: bool,
) -> Run:
    """Run what is still to do in a folder, then put the tables together."""
    from facegap.audit.consent import open_service, service_among, take_up_again
    from facegap.audit.models import request_of, require_same_request
    from facegap.audit.record import RECORD_VERSION
    from facegap.store import run as store

    request, card = request_of(table, elsewhere, settings, loaded), service_among(loaded.cards)
    if (folder / store.RECORD).exists():
        record = store.read_record(folder)
        require_same_request(folder, record.get("request"), request)
        if card is not None:
            take_up_again(folder, record, settings.service)
        if store.is_whole(folder):
            store.remove_leftovers(folder)  # of a kill between the end of the run and the removal of its parts
            store.require_unbroken(folder)  # a report added to it would give changed files new hashes
            return store.read_run(folder)
    else:
        begun = {"version": RECORD_VERSION, "state": "running", "request": request}
        more = {"sent": {"max_calls": settings.service.max_calls}} if card is not None else {}
        store.write_json(folder / store.RECORD, begun | more)
    started = time.perf_counter_ns()
    if elsewhere is not None:  # without the service: nobody judges what it says of these
        process(folder / store.THRESHOLD_SET, elsewhere, loaded, settings)
    if card is not None:
        service = open_service(card, folder, settings, len(table.frame))
        loaded = replace(loaded, stages=replace(loaded.stages, service=service))
    process(folder, table, loaded, settings)
    run = conclude(folder, table, elsewhere, settings, loaded, request, started)
    if lasting:
        store.write_run(run, folder)
        store.finish(folder, keep_embeddings=settings.output.keep_embeddings)
    return run if settings.output.keep_embeddings else replace(run, embeddings=None)


def process(folder: Path, table: Manifest, loaded: Loaded, settings: AuditSettings) -> None:
    """Run every part that is not committed yet, and commit each as it comes.

    Raises
    ------
    TableError : more images than a few could not be shown to a model; the parts that are committed stay
    """
    import cv2

    from facegap.audit.files import Unreadable
    from facegap.inputs.images.decode import quiet_decoders
    from facegap.store import run as store
    from facegap.vision.pipeline import PART_ROWS, run_parts

    committed = store.committed_parts(folder)
    rows = len(table.frame)
    todo = [number for number in range(-(-rows // PART_ROWS)) if number not in committed]
    counter = Counter(rows, settings.output.progress, rows - rows_in(todo, rows, PART_ROWS))
    unreadable = Unreadable(rows, settings.faces.allow_missing)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # each worker has its own images to decode; threads below them would only fight
    try:
        with quiet_decoders():
            for number, part in run_parts(
                table.frame,
                table.folder,
                loaded.stages,
                workers=loaded.execution.workers,
                todo=todo,
                on_image=counter.add,
            ):
                store.write_part(folder, number, part.rows, part.embeddings)
                unreadable.add(part.rows)
    finally:
        cv2.setNumThreads(threads)
        if loaded.stages.service is not None:
            loaded.stages.service.close()


def rows_in(parts: Sequence[int], rows: int, part_rows: int) -> int:
    """Manifest rows in some parts; the last part may be shorter."""
    return sum(min(rows, (number + 1) * part_rows) - number * part_rows for number in parts)


def conclude(
    folder: Path,
    table: Manifest,
    elsewhere: Manifest | None,
    settings: AuditSettings,
    loaded: Loaded,
    request: dict[str, Any],
    started: int,
) -> Run:
    """The tables of a run whose parts are all committed."""
    import pandas as pd

    from facegap.audit.identify import identify
    from facegap.audit.models import chosen_groupings
    from facegap.audit.record import record_of
    from facegap.audit.verify import match
    from facegap.derive.outcomes import predictions_table
    from facegap.derive.run import derived
    from facegap.store import run as store

    rows, faces, images = gathered(folder, table, loaded)
    judged = loaded.cards.get("classify")
    predictions = predictions_table(rows, table.frame, judged.gender_classes if judged else ())
    record = record_of(table, settings, loaded, request, rows)
    if loaded.stages.service is not None:
        record["sent"] = loaded.stages.service.sent()
    nothing = pd.DataFrame()
    run = store.Run(
        record,
        table.frame,
        faces,
        predictions,
        nothing,
        nothing,
        nothing,
        labels=None if table.joined is None else table.joined.probabilities,
    )
    if images is not None:
        threshold_set = None
        if elsewhere is not None:
            _, other_faces, threshold_set = gathered(folder / store.THRESHOLD_SET, elsewhere, loaded)
            store.write_threshold_set(folder, elsewhere.frame, other_faces)
        groupings, _ = chosen_groupings(table, settings)
        matching = match(
            images,
            threshold_set,
            groupings,
            settings.verify,
            published_threshold=loaded.cards["embed"].published_threshold,
            workers=loaded.execution.workers,
        )
        record |= matching.record
        record["execution"]["notes"] += [matching.record[key] for key in ("matching_filter",) if key in matching.record]
        run = replace(run, embeddings=images.templates, matched=matching.matched)
        if settings.identify is not None:
            found = identify(
                images,
                threshold_set,
                matching.matched.roles,
                matching.matched.excluded,
                settings.identify,
                settings.verify,
                workers=loaded.execution.workers,
            )
            record |= found.record
            run = replace(run, searched=found.searched)
    record["timing"]["wall_s_of_last_start"] = round((time.perf_counter_ns() - started) / 1e9, 3)
    return derived(run)


def gathered(folder: Path, table: Manifest, loaded: Loaded) -> tuple[pd.DataFrame, pd.DataFrame, Images | None]:
    """The pipeline's rows and FACES of one set, and its templates where there is an embedder."""
    import numpy as np

    from facegap.audit.verify import Images
    from facegap.derive.outcomes import faces_table
    from facegap.store import run as store
    from facegap.vision.pipeline import PART_ROWS

    parts = -(-len(table.frame) // PART_ROWS)
    rows = store.read_part_rows(folder, parts)
    model = loaded.stages.embedder
    faces = faces_table(rows, embedded=model is not None)
    if model is None:
        return rows, faces, None
    usable = np.flatnonzero(faces["outcome"] == "ok")
    store.join_embeddings(folder, parts, len(usable), model.dimension)
    return rows, faces, Images(table.frame, usable, store.read_embeddings(folder))


def recheck(folder: str | Path) -> list[str]:
    """Hash every file of a finished run and derive its tables again; what does not agree, empty where all does.

    Tables are derived again only where every file has its stated hash.

    Raises
    ------
    RunError : the folder holds no finished run
    """
    from facegap.derive.run import derived
    from facegap.store import run as store

    folder = Path(folder)
    problems = store.broken_hashes(folder)
    if problems:  # rows that were changed give other tables, and say nothing of those that were written
        return problems
    with store.fitting_together(folder):
        tables = store.result_tables(derived(store.read_run(folder)))
    for name, frame in tables.items():
        path = folder / name
        if (path.read_bytes() if path.is_file() else b"") != store.csv_bytes(frame):
            problems.append(f"{name}: not what the stored rows give")
    return problems
