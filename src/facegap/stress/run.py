"""The steps of a stress test: manifest, models, parts, threshold of the unperturbed images, tables and page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.audit.files import require_files
from facegap.audit.margins import margins_of
from facegap.audit.models import Loaded, open_models
from facegap.audit.record import differences, with_models
from facegap.audit.record import request_of as audit_request
from facegap.audit.resolved import ResolvedAudit, people_of, resolve
from facegap.audit.settings import AuditSettings
from facegap.audit.thresholds import Templates
from facegap.audit.verify import match
from facegap.errors import ModelError, RunError, TableError
from facegap.store.begun import is_whole
from facegap.store.files import write_csv, write_json, write_parquet
from facegap.store.folder import finish, open_folder
from facegap.store.opened import read_file
from facegap.store.parts import join_embeddings
from facegap.store.run import read_csv
from facegap.stress.measure import PART_ROWS, measure, require_measurable
from facegap.stress.perturb import Dose, parsed_doses
from facegap.stress.rates import Answers, Scores, answers_of, genuine_pairs, genuine_scores
from facegap.stress.stored import GAPS, RATES, SCORES, people_table, scores_frame, tables_of
from facegap.tables import (
    MATED_SCORES,
    STRESS,
    STRESS_ANSWERS,
    STRESS_GAPS,
    STRESS_PEOPLE,
    STRESS_SCORES,
    STRESS_TABLES,
    check,
)

RECORD = "stress.json"
DEFAULT = ("exposure", "blur", "resolution", "jpeg", "noise")
TABLES = {RATES: STRESS, GAPS: STRESS_GAPS, SCORES: STRESS_SCORES}
ANSWERS, PEOPLE, MATED = "answers.parquet", "people.parquet", "mated_scores.parquet"
MOST_RECORD_BYTES = 2**20
VECTORS = "embeddings.npy"
POINTS = 0.02  # margin of a difference of changes if that of the metric is a ratio


@dataclass(frozen=True, eq=False)
class Stressed:
    """A finished stress test.

    record : as in stress.json
    scores : STRESS_SCORES; None without an embedder
    """

    folder: Path
    record: Mapping[str, Any]
    rates: pd.DataFrame
    gaps: pd.DataFrame
    scores: pd.DataFrame | None = None

    @property
    def primary(self) -> str:
        """The metric of the verdicts."""
        return str(self.record["primary"])


def stress(manifest: Path, settings: AuditSettings, perturb: Sequence[str]) -> Stressed:
    """Perturb every image of a manifest at every dose and measure how the errors of groups change.

    Raises
    ------
    SettingError, TableError, ModelError : as in an audit, or an unknown perturbation
    RunError : the folder has another stress test
    """
    doses = parsed_doses(perturb or DEFAULT)
    require_task(settings)
    compares = settings.embed is not None
    table = people_of(manifest, settings, compares=compares)
    if table.members is not None:
        raise TableError("column template: templates of several images cannot be perturbed; omit the column")
    resolved = resolve(table, settings, runs_models=True, compares=compares)
    if not settings.faces.allow_missing:
        require_files(table, resolved.groupings)
    loaded = open_models(resolved.models, settings)
    try:
        require_measurable(loaded, doses)
        for text in (*loaded.remembered.alarms, *loaded.remarks.alarms, *loaded.remarks.notices):
            settings.output.notice(text)
        assert settings.output.folder is not None
        with open_folder(settings.output.folder, resume=settings.output.resume, record=RECORD):
            return stress_in(settings.output.folder, resolved, loaded, doses)
    finally:
        loaded.close()


def require_task(settings: AuditSettings) -> None:
    """Raise ModelError unless exactly one model is given."""
    if (settings.classify is None) == (settings.embed is None):
        raise ModelError("give the model to evaluate: either a classifier with --classify, or an embedder with --embed")


def stress_in(folder: Path, resolved: ResolvedAudit, loaded: Loaded, doses: Sequence[Dose]) -> Stressed:
    """Run the remaining parts in a folder, then make the tables."""
    settings = resolved.settings
    requested = {
        "request": with_models(audit_request(resolved, "images"), loaded.facts).to_json(),
        "doses": [[dose.name, dose.amount, dose.of.unit] for dose in doses],
        "seed": settings.verify.seed,
        "part_rows": PART_ROWS,
    }
    require_same(folder, requested)
    if is_whole(folder):
        return read_stress(folder)
    if not (folder / RECORD).exists():
        write_json(folder / RECORD, {"status": "running", "asked": requested})
    rows = measure(
        folder, resolved.manifest, loaded, doses, seed=settings.verify.seed, progress=settings.output.progress
    )
    vectors = vectors_of(folder, rows, loaded)
    answers = answers_of(rows, resolved.manifest.frame, doses, loaded.models.classes, vectors)
    source, threshold, scores = "", None, None
    if vectors is not None:
        threshold, source = unperturbed_threshold(answers, resolved, loaded)
        subjects = np.asarray(pd.factorize(resolved.manifest.frame["subject"])[0], np.int64)
        pairs = genuine_pairs(subjects, resolved.excluded.rows)
        if not len(pairs):
            raise TableError("no person has two images, so there are no genuine pairs, which FNMR needs")
        scores = genuine_scores(answers, doses, pairs)
    primary = "error_rate_all" if vectors is None else "fnmr"
    margin = margins_of(settings.groups.margin)[primary]
    groups = settings.groups
    record = {
        "status": "complete",
        "asked": requested,
        "models": dict(loaded.models.names),
        "classes": list(loaded.models.classes),
        "data_name": groups.data_name or "",
        "images": len(resolved.manifest.frame),
        "people": int(resolved.manifest.frame["subject"].nunique()),
        "has_subjects": resolved.manifest.has_subjects,
        "cluster": list(groups.cluster),
        "manifest_sha256": resolved.manifest.sha256,
        "primary": primary,
        "by": ["*".join(grouping) for grouping in resolved.groupings],
        "groupings": [list(grouping) for grouping in resolved.groupings],
        "threshold": threshold,
        "threshold_source": source,
        "level": groups.level,
        "alpha": groups.alpha,
        "margin": POINTS if margin.is_ratio else margin.size,
        "min_subjects": groups.min_subjects,
        "warnings": [*resolved.manifest.warnings, *resolved.notes],
        "versions": dict(loaded.execution.versions),
    }
    people = people_table(resolved.manifest.frame, resolved.groupings, groups.cluster)
    return written(folder, record, rows, people, scores)


def require_same(folder: Path, requested: Mapping[str, Any]) -> None:
    """Raise RunError if the folder has a stress test with other settings."""
    if (folder / RECORD).exists():
        changed = differences(read_record(folder).get("asked", {}), json.loads(json.dumps(requested)))
        if changed:
            raise RunError(
                f"{folder}: the stress test in it differs in {', '.join(changed)}; resume it with the same command, "
                f"files and "
                "versions, or choose another --out"
            )


def vectors_of(folder: Path, rows: pd.DataFrame, loaded: Loaded) -> NDArray[np.float32] | None:
    """The templates of all records with outcome ok; None without an embedder. They are not kept in the folder."""
    model = loaded.stages.embedder
    if model is None:
        return None
    usable = int((rows["outcome"] == "ok").sum())
    join_embeddings(folder, -(-len(rows) // (PART_ROWS * records_each(rows))), usable, model.dimension)
    vectors = np.load(folder / VECTORS, allow_pickle=False)
    (folder / VECTORS).unlink()
    return np.asarray(vectors, np.float32)


def records_each(rows: pd.DataFrame) -> int:
    """Number of records per image: unperturbed, and one per dose."""
    return int((rows["row"] == rows["row"].iloc[0]).sum())


def unperturbed_threshold(answers: Answers, resolved: ResolvedAudit, loaded: Loaded) -> tuple[float, str]:
    """The threshold that an audit of the unperturbed images would use, and its origin in words."""
    assert answers.templates is not None
    plain = answers.templates[None]
    usable = np.flatnonzero(np.isfinite(plain).all(axis=1)).astype(np.int64)
    templates = Templates(resolved.manifest.frame, usable, plain[usable])
    record = match(templates, None, resolved, workers=loaded.execution.workers).record
    point = record.operating[0]
    return point.threshold, point.source


def written(
    folder: Path, record: Mapping[str, Any], rows: pd.DataFrame, people: pd.DataFrame, scores: Sequence[Scores] | None
) -> Stressed:
    """Write a stress test with its page and hashes; images are identified only by their row, people by a number."""
    from facegap.stress.page import write_page

    found = tables_of(record, rows, people, scores)
    done = Stressed(folder, record, found[RATES], found[GAPS], found.get(SCORES))
    write_parquet(folder / ANSWERS, rows[list(STRESS_ANSWERS.columns)], STRESS_ANSWERS)
    write_parquet(folder / PEOPLE, people, STRESS_PEOPLE)
    if scores is not None:
        write_parquet(folder / MATED, scores_frame(scores), MATED_SCORES)
    for name, frame in found.items():
        write_csv(folder / name, frame, STRESS_TABLES[name])
    write_json(folder / RECORD, record)
    write_page(folder / "stress.html", done)
    finish(folder)
    return done


def read_record(folder: Path) -> dict[str, Any]:
    """stress.json, an object.

    Raises
    ------
    RunError : it is missing or invalid
    """
    try:
        found = json.loads(read_file(folder / RECORD, MOST_RECORD_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{folder}: not a readable stress test ({error})") from error
    if not isinstance(found, dict):
        raise RunError(f"{folder / RECORD}: not an object; run the stress test again")
    return found


def read_stress(folder: Path) -> Stressed:
    """A finished stress test."""
    read = {
        name: check(read_csv(folder / name), schema, name)
        for name, schema in TABLES.items()
        if (folder / name).is_file()
    }
    return Stressed(folder, read_record(folder), read[RATES], read[GAPS], read.get(SCORES))
