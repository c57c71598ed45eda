"""The order of the stages: manifest -> models -> parts -> tables -> rates -> gaps. The only file that knows it.

Imports of the stages stand inside the functions: `facegap.audit` the function is bound in `facegap/__init__.py`, so this
file is loaded with the package, and `facegap --help` must not wait for pandas and OpenCV.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from facegap.errors import ModelError, RunError

if TYPE_CHECKING:
    import pandas as pd

    from facegap.inputs.manifest import Manifest
    from facegap.inputs.model_card import ModelCard, Task
    from facegap.store import Run
    from facegap.types import Device, Execution
    from facegap.vision.pipeline import Stages

Progress = Callable[[int, int], None]  # images done, images in all
RECORD_VERSION = 1
SAME_ON_RESUME = ("onnxruntime", "onnxruntime-gpu", "opencv-python", "numpy", "facegap")


@dataclass(frozen=True)
class Settings:
    """Everything that decides a result, apart from the manifest and the weights themselves."""

    detect: str
    classify: str | None
    embed: str | None
    device: Device = "cpu"
    batch: int = 8
    many_faces: Literal["largest", "refuse", "centre"] = "largest"
    min_face_px: int = 12
    by: str | None = None
    where: str | None = None
    min_subjects: int = 20
    level: float = 0.95
    keep_embeddings: bool = True


@dataclass(frozen=True)
class Loaded:
    """The models of a run, ready, and what they run on."""

    stages: Stages
    cards: Mapping[Task, ModelCard]
    execution: Execution


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
    by: str | Sequence[str] | None = None,
    where: str | None = None,
    device: Device = "cpu",
    batch: int = 8,
    workers: int | None = None,
    many_faces: Literal["largest", "refuse", "centre"] = "largest",
    min_face_px: int = 12,
    min_subjects: int = 20,
    level: float = 0.95,
    models_dirs: Sequence[str | Path] = (),
    allow_outside: bool = False,
    keep_embeddings: bool = True,
    out: str | Path | None = None,
    resume: bool = False,
    progress: Progress = lambda done, total: None,
) -> Run:
    """Run face models on the portraits of a manifest and measure their errors by group.

    manifest                : CSV or parquet with a column image and any of subject, gender, age, ...
    detect, classify, embed : a card's name, a card's path, or the path of an .onnx beside which a card lies
    by       : groups, 'gender,race' each alone, 'gender*race' crossed; None: every label column alone
    where    : a condition on the manifest's columns, "age not in ('0-2', '3-9')"
    device   : a promise; where it cannot be kept the audit stops
    workers  : parts of the manifest under way at once; None: one for each processor
    out      : a run folder to write while running; None keeps the run in memory
    resume   : go on with the run in `out` that was broken off

    Raises
    ------
    FacegapError : each of its kinds, saying what was wrong, where, and what to do
    """
    from facegap.inputs.manifest import read_manifest

    settings = Settings(
        detect, classify, embed, device, batch, many_faces, min_face_px,
        by if by is None or isinstance(by, str) else ",".join(by), where, min_subjects, level, keep_embeddings,
    )  # fmt: skip
    table = read_manifest(Path(manifest), allow_outside=allow_outside, where=where)
    chosen_terms(table, settings)  # a misspelt --by must not cost an hour of detection
    loaded = load_models(settings, [Path(folder) for folder in models_dirs], workers)
    with run_folder(Path(out) if out is not None else None, resume=resume) as (folder, lasting):
        return run_in(folder, table, settings, loaded, progress, lasting=lasting)


@contextlib.contextmanager
def run_folder(out: Path | None, *, resume: bool) -> Iterator[tuple[Path, bool]]:
    """The folder of the run, and whether it stays: a temporary one where the caller wants the run in memory only."""
    from facegap.store import open_folder

    if out is None:
        with tempfile.TemporaryDirectory(prefix="facegap-") as temporary:
            yield Path(temporary), False
    else:
        with open_folder(out, resume=resume):
            yield out, True


def run_in(
    folder: Path, table: Manifest, settings: Settings, loaded: Loaded, progress: Progress, *, lasting: bool
) -> Run:
    """Run what is still to do in a folder, then put the tables together."""
    from facegap import store

    request = request_of(table, settings, loaded)
    if (folder / store.RECORD).exists():
        require_same_request(folder, store.read_record(folder).get("request"), request)
        if store.is_whole(folder):
            return store.read_run(folder)
    else:
        store.write_json(folder / store.RECORD, {"version": RECORD_VERSION, "state": "running", "request": request})
    wall_s = process(folder, table, loaded, progress)
    run = conclude(folder, table, settings, loaded, request, wall_s)
    if lasting:
        store.write_run(run, folder)
        store.finish(folder)
    return run


def chosen_terms(table: Manifest, settings: Settings) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """The terms of --by, or every label column, and a sentence on each column that is not split by."""
    from facegap.derive.terms import cells_of, default_terms, parse_by

    if settings.by is None:
        return default_terms(table.frame, table.labels)
    terms = parse_by(settings.by, table.labels)
    for term in terms:
        cells_of(table.frame, term)
    return terms, ()


def load_models(settings: Settings, folders: Sequence[Path], workers: int | None) -> Loaded:
    """Cards, weights and sessions of all models that the settings name.

    Raises
    ------
    CardError, FetchError, ModelError, DeviceError : see `resolve_card`, `read_weights` and `open_session`
    """
    from facegap import runtime
    from facegap.inputs.cards import resolve_card
    from facegap.inputs.weights import models_folders, read_weights
    from facegap.vision.classify import classifier
    from facegap.vision.detect import detector
    from facegap.vision.embed import embedder
    from facegap.vision.pipeline import Stages

    named: dict[Task, str | None] = {"detect": settings.detect, "classify": settings.classify, "embed": settings.embed}
    resolved = {task: resolve_card(name, task) for task, name in named.items() if name is not None}
    cards = {task: card for task, (card, _) in resolved.items()}
    assert cards["detect"].detector is not None
    if "embed" in cards and not cards["detect"].detector.points:
        raise ModelError(f"{cards['detect'].name} gives boxes only, and --embed needs five points; use --detect yunet")
    for card in cards.values():
        if card.backend != "onnx":
            raise ModelError(f"{card.name}: a closed service cannot take part in this audit")
    searched = models_folders(folders)
    sessions = {
        task: runtime.open_session(read_weights(card, searched, given), name=card.name, device=settings.device)
        for task, (card, given) in resolved.items()
    }
    count = workers or runtime.usable_cores()
    execution = runtime.execution_record(
        {cards[task].name: session for task, session in sessions.items()},
        {card.name: str(card.sha256) for card in cards.values()},
        device=settings.device, threads=1, workers=count, batch=settings.batch,
    )  # fmt: skip
    stages = Stages(
        detector(cards["detect"], sessions["detect"]),
        embedder(cards["embed"], sessions["embed"], settings.batch) if "embed" in cards else None,
        classifier(cards["classify"], sessions["classify"], settings.batch) if "classify" in cards else None,
        settings.many_faces,
        settings.min_face_px,
    )
    return Loaded(stages, cards, execution)


def request_of(table: Manifest, settings: Settings, loaded: Loaded) -> dict[str, Any]:
    """What must be the same for --resume to end with the same tables."""
    from facegap.vision.pipeline import PART_ROWS

    versions = loaded.execution.versions
    return {
        "manifest_sha256": table.sha256,
        "rows": len(table.frame),
        "part_rows": PART_ROWS,
        "settings": asdict(settings),
        "cards": {task: card.model_dump(mode="json") for task, card in loaded.cards.items()},
        "versions": {name: versions[name] for name in SAME_ON_RESUME if name in versions},
    }


def require_same_request(folder: Path, stored: Any, request: Mapping[str, Any]) -> None:
    """Raise RunError that names what differs between the run in the folder and the one that is asked for."""
    if not isinstance(stored, dict):
        raise RunError(f"{folder}: its run.json does not say what was asked for; choose another --out")
    for key, value in request.items():
        old = stored.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            changed = [name for name in {**old, **value} if old.get(name) != value.get(name)]
        else:
            changed = [key] if old != value else []
        if changed:
            raise RunError(
                f"{folder}: the run there differs in {key} ({', '.join(changed)}); resume it with the same command, "
                "files and versions, or choose another --out"
            )


def process(folder: Path, table: Manifest, loaded: Loaded, progress: Progress) -> float:
    """Run every part that is not committed yet, and commit each as it comes; wall time in seconds."""
    import cv2

    from facegap import store
    from facegap.vision.pipeline import PART_ROWS, run_parts

    committed = store.committed_parts(folder)
    parts = range(-(-len(table.frame) // PART_ROWS))
    todo = [number for number in parts if number not in committed]
    counter = Counter(len(table.frame), progress, len(table.frame) - rows_in(todo, len(table.frame), PART_ROWS))
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # each worker has its own images to decode; threads below them would only fight
    started = time.perf_counter_ns()
    try:
        for number, part in run_parts(
            table.frame, table.folder, loaded.stages,
            workers=loaded.execution.workers, todo=todo, on_image=counter.add,
        ):  # fmt: skip
            store.write_part(folder, number, part.rows, part.embeddings)
    finally:
        cv2.setNumThreads(threads)
    return (time.perf_counter_ns() - started) / 1e9


def rows_in(parts: Sequence[int], rows: int, part_rows: int) -> int:
    """Manifest rows in some parts; the last part may be shorter."""
    return sum(min(rows, (number + 1) * part_rows) - number * part_rows for number in parts)


def conclude(
    folder: Path, table: Manifest, settings: Settings, loaded: Loaded, request: Mapping[str, Any], wall_s: float
) -> Run:
    """The tables of a run whose parts are all committed."""
    import numpy as np
    import pandas as pd

    from facegap import store
    from facegap.derive.outcomes import faces_table, predictions_table
    from facegap.vision.pipeline import PART_ROWS

    parts = -(-len(table.frame) // PART_ROWS)
    rows = store.read_part_rows(folder, parts)
    embedder, classifier = loaded.stages.embedder, loaded.cards.get("classify")
    classes = classifier.outputs.gender.classes if classifier and classifier.outputs.gender else ()
    faces = faces_table(rows, embedded=embedder is not None)
    predictions = predictions_table(rows, table.frame, classes)
    embeddings = None
    if embedder is not None and settings.keep_embeddings:
        store.join_embeddings(folder, parts, int((faces["outcome"] == "ok").sum()), embedder.dimension)
        embeddings = np.load(folder / "embeddings.npy", mmap_mode="r", allow_pickle=False)
    record = record_of(table, settings, loaded, request, rows, wall_s)
    nothing = pd.DataFrame()
    return derived(store.Run(record, table.frame, faces, predictions, nothing, nothing, nothing, embeddings))


def record_of(
    table: Manifest, settings: Settings, loaded: Loaded, request: Mapping[str, Any], rows: pd.DataFrame, wall_s: float
) -> dict[str, Any]:
    """The content of run.json: what was asked for, what it ran on, how long it took, and what a reader must know."""
    from facegap.inputs.images import EXIF_RULE

    terms, notes = chosen_terms(table, settings)
    outputs = loaded.cards["classify"].outputs if "classify" in loaded.cards else None
    return {
        "version": RECORD_VERSION,
        "state": "complete",
        "request": request,
        "manifest": {
            "sha256": table.sha256,
            "rows": len(table.frame),
            "excluded_by_where": table.excluded,
            "has_subjects": table.has_subjects,
            "labels": list(table.labels),
        },
        "models": {task: card.name for task, card in loaded.cards.items()},
        "classes": list(outputs.gender.classes) if outputs and outputs.gender else [],
        "says_age": bool(outputs and outputs.age),
        "terms": [list(term) for term in terms],
        "level": settings.level,
        "min_subjects": settings.min_subjects,
        "execution": plain(asdict(loaded.execution)),
        "timing": timing(rows, wall_s),
        "conventions": {"exif": EXIF_RULE, "labels": "as the source of the manifest states them"},
        "warnings": [*table.warnings, *notes, *card_warnings(loaded.cards)],
    }


def plain(value: Any) -> Any:
    """Tuples and mappings as JSON will give them back, so that a record in memory equals the record read again."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def card_warnings(cards: Mapping[Task, ModelCard]) -> list[str]:
    """What the cards themselves admit."""
    return [
        f"card {card.name} is unverified: the project has not run this model itself"
        for card in cards.values()
        if not card.verified
    ]


def timing(rows: pd.DataFrame, wall_s: float) -> dict[str, Any]:
    """Milliseconds per image of each stage, over the images that reached it, and the wall time of the last start.

    A batch's time is shared equally by its images. NaN is written as null: no image reached the stage.
    """
    import numpy as np

    from facegap.vision.pipeline import STAGES

    stages = {}
    for stage in STAGES:
        spent = rows[f"{stage}_ns"].to_numpy(np.float64)
        spent = spent[spent > 0] / 1e6
        quantiles = np.quantile(spent, [0.5, 0.95]).round(4).tolist() if len(spent) else [None, None]
        stages[stage] = {"images": len(spent), "median_ms": quantiles[0], "p95_ms": quantiles[1]}
    return {"per_image": stages, "wall_s_of_last_start": round(wall_s, 3)}


def derived(run: Run) -> Run:
    """The run with its rates, gaps and ages derived from its stored rows; nothing else is looked at."""
    from facegap.derive.gaps import gaps_table
    from facegap.derive.results import age_table, rates_table

    return replace(run, rates=rates_table(run), gaps=gaps_table(run), age=age_table(run))


def recheck(folder: str | Path) -> list[str]:
    """Hash every file of a finished run and derive its tables again; what does not agree, empty where all does.

    Raises
    ------
    RunError : the folder holds no finished run
    """
    from facegap import store

    folder = Path(folder)
    problems = store.broken_hashes(folder)
    stored = store.read_run(folder)
    again = derived(stored)
    for name in ("rates", "gaps", "age"):
        path = folder / f"{name}.csv"
        written = path.read_bytes() if path.is_file() else b""
        frame = getattr(again, name)
        if written != (store.csv_bytes(frame) if len(frame) or name != "age" else b""):
            problems.append(f"{name}.csv: not what the stored rows give")
    return problems
