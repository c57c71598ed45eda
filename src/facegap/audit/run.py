"""The order of the stages: manifest -> models -> parts -> comparisons -> tables. The only file that knows it.

Imports of the stages stand inside the functions: `facegap.audit.run` the function is bound in `facegap/__init__.py`, so this
file is loaded with the package, and `facegap --help` must not wait for pandas and OpenCV.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from facegap.audit.consent import Sending
    from facegap.audit.models import Loaded, Settings
    from facegap.audit.verify import Images
    from facegap.inputs.manifests.read import Manifest
    from facegap.store.run import Run
    from facegap.types import Device

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


def audit(
    manifest: str | Path,
    *,
    detect: str = "yunet",
    classify: str | None = None,
    embed: str | None = None,
    detect_only: bool = False,
    by: str | Sequence[str] | None = None,
    where: str | None = None,
    tone: str | Path | None = None,
    annotations: str | Path | None = None,
    label_draws: int = 200,
    device: Device = "cpu",
    batch: int = 8,
    workers: int | None = None,
    many_faces: Literal["largest", "refuse", "centre"] = "largest",
    min_face_px: int = 12,
    min_subjects: int = 20,
    level: float = 0.95,
    fmr: Sequence[float] = (1e-3,),
    fmr_on: str | None = None,
    threshold: Sequence[float] = (),
    published_threshold: bool = False,
    threshold_on: str | Path | None = None,
    split: float = 0.5,
    seed: int = 0,
    in_sample: bool = False,
    pairs: str | Path | None = None,
    exclude_pairs: str | Path | None = None,
    tail_limit: int = 2_000_000,
    identify: bool = False,
    role_column: str | None = None,
    enrol: Literal["first", "last"] = "first",
    non_mates: float = 0.3,
    rank: Sequence[int] = (1, 10),
    fpir: Sequence[float] = (),
    models_dirs: Sequence[str | Path] = (),
    allow_outside: bool = False,
    keep_embeddings: bool = True,
    out: str | Path | None = None,
    resume: bool = False,
    send_images: bool = False,
    max_calls: int | None = None,
    calls_per_second: float = 2.0,
    notice: Callable[[str], None] | None = None,
    progress: Progress = lambda done, total: None,
) -> Run:
    """Run face models on the portraits of a manifest and measure their errors by group.

    manifest                : CSV or parquet with a column image and any of subject, gender, age, ...
    detect, classify, embed : a card's name, a card's path, or the path of an .onnx beside which a card lies
    detect_only : audit the detector alone; without classify and embed it must be said
    by       : groups, 'gender,race' each alone, 'gender*race' crossed; None: every label column alone
    where    : a condition on the manifest's columns, "age not in ('0-2', '3-9')"
    tone     : table of `facegap tone`: adds the labels measured_tone and measured_monk, with their doubt
    annotations : table of `facegap annotate`: adds annotated_tone and annotated_<scale>
    label_draws : how often such labels are drawn (by `seed`) to find what their doubt does to the gaps
    device   : a promise; where it cannot be kept the audit stops
    workers  : parts of the manifest under way at once; None: one for each processor
    out      : a run folder to write while running; None keeps the run in memory
    resume   : go on with the run in `out` that was broken off

    With an embedder everyone is compared with everyone, or the pairs of `pairs` (CSV: left, right):

    fmr                 : target false match rates; a threshold is found for each
    fmr_on              : find it over the impostor pairs of this group only
    threshold, published_threshold : thresholds that are given instead, or the one that the card publishes
    threshold_on        : manifest of other people on whom thresholds are found; without, a share `split` of the
                          subjects is set aside for it by `seed` and the rates are of the rest
    in_sample           : find thresholds on the pairs they are judged on; the tables say so
    exclude_pairs       : CSV (left, right) of reviewed pairs that are counted nowhere
    tail_limit          : longest list of impostor pairs kept

    With `identify` a gallery is searched as well (1:N), at the same thresholds:

    role_column         : column of the manifest that says gallery or probe; or by rule:
    enrol, non_mates    : which image of each subject is enrolled, and the share of the subjects that is kept out
    rank                : lengths of candidate lists that are judged
    fpir                : target false positive identification rates; a threshold is found for each

    With the card of a black-box service as `classify` (backend http) whole image files are sent to it; `detect` may then be
    "none", and a detector that is named says nothing about what the service sees:

    send_images         : without it nothing is sent, and an error says who would get how many images
    max_calls           : requests in all, also over several starts with `resume`; images beyond it have no answer
    calls_per_second    : of all workers together
    notice              : called with the recipient and the number of images before any is sent, and with what
                          `facegap doctor` found wrong with a card; None: stderr

    Raises
    ------
    FacegapError : each of its kinds, saying what was wrong, where, and what to do
    """
    from facegap.audit.consent import Sending, on_stderr, require_leave, service_among
    from facegap.audit.enrolment import IdentifySettings, require_possible
    from facegap.audit.models import Settings, chosen_groupings, load_models, require_a_task
    from facegap.audit.verify import VerifySettings, require_comparable, require_enough_pairs
    from facegap.derive.label_uncertainty.attach import with_tone
    from facegap.inputs.manifests.read import read_manifest
    from facegap.vision.service.client import Limits

    require_a_task(detect, classify, embed, detect_only=detect_only)
    given = tuple(dict.fromkeys(threshold))  # a doubled one would double every row of rates.csv
    verify = VerifySettings(
        () if given or published_threshold else tuple(dict.fromkeys(fmr)),
        fmr_on,
        given,
        published_threshold,
        None if threshold_on is None else str(threshold_on),
        split,
        seed,
        in_sample,
        None if pairs is None else str(pairs),
        None if exclude_pairs is None else str(exclude_pairs),
        tail_limit,
    )
    settings = Settings(
        detect,
        classify,
        embed,
        device,
        batch,
        many_faces,
        min_face_px,
        by if by is None or isinstance(by, str) else ",".join(by),
        where,
        min_subjects,
        level,
        keep_embeddings,
        verify,
        IdentifySettings(role_column, enrol, non_mates, tuple(sorted(set(rank))), tuple(fpir)) if identify else None,
    )
    table = read_manifest(Path(manifest), allow_outside=allow_outside, where=where)
    table = with_tone(table, Path(manifest), tone, annotations, draws=label_draws, seed=seed)
    groupings, _ = chosen_groupings(table, settings)  # a misspelt --by must not cost an hour of detection
    if settings.identify is not None:
        require_possible(table.frame, settings.identify, verify, embed)
    elsewhere = None
    if verify.threshold_on is not None:
        elsewhere = read_manifest(Path(verify.threshold_on), allow_outside=allow_outside)
    if embed is not None:
        require_comparable(table.frame, None if elsewhere is None else elsewhere.frame, groupings, verify)
    loaded = load_models(settings, [Path(folder) for folder in models_dirs], workers)
    if embed is not None:
        require_enough_pairs(table.frame, None if elsewhere is None else elsewhere.frame, verify)
    sending = Sending(send_images, Limits(max_calls, calls_per_second), notice or on_stderr)
    remarks = loaded.remarks
    for said in (*loaded.remembered.alarms, *remarks.alarms, *remarks.notices):
        sending.notice(said)  # before the first image, and again above the result
    if (card := service_among(loaded.cards)) is not None:
        require_leave(card, sending, len(table.frame), out)
    with run_folder(Path(out) if out is not None else None, resume=resume) as (folder, lasting):
        return run_in(folder, table, elsewhere, settings, loaded, sending, progress, lasting=lasting)


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
    settings: Settings,
    loaded: Loaded,
    sending: Sending,
    progress: Progress,
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
            take_up_again(folder, record, sending.limits)
        if store.is_whole(folder):
            store.remove_leftovers(folder)  # of a kill between the end of the run and the removal of its parts
            store.require_unbroken(folder)  # a report added to it would give changed files new hashes
            return store.read_run(folder)
    else:
        begun = {"version": RECORD_VERSION, "state": "running", "request": request}
        more = {"sent": {"max_calls": sending.limits.max_calls}} if card is not None else {}
        store.write_json(folder / store.RECORD, begun | more)
    started = time.perf_counter_ns()
    if elsewhere is not None:  # without the service: nobody judges what it says of these
        process(folder / store.THRESHOLD_SET, elsewhere, loaded, progress)
    if card is not None:
        service = open_service(card, folder, sending, len(table.frame))
        loaded = replace(loaded, stages=replace(loaded.stages, service=service))
    process(folder, table, loaded, progress)
    run = conclude(folder, table, elsewhere, settings, loaded, request, started)
    if lasting:
        store.write_run(run, folder)
        store.finish(folder, keep_embeddings=settings.keep_embeddings)
    return run if settings.keep_embeddings else replace(run, embeddings=None)


def process(folder: Path, table: Manifest, loaded: Loaded, progress: Progress) -> None:
    """Run every part that is not committed yet, and commit each as it comes."""
    import cv2

    from facegap.inputs.images.decode import quiet_decoders
    from facegap.store import run as store
    from facegap.vision.pipeline import PART_ROWS, run_parts

    committed = store.committed_parts(folder)
    rows = len(table.frame)
    todo = [number for number in range(-(-rows // PART_ROWS)) if number not in committed]
    counter = Counter(rows, progress, rows - rows_in(todo, rows, PART_ROWS))
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
    settings: Settings,
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
