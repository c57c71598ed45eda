"""From committed parts to the evidence of an audit: faces, predictions, comparisons and searches."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from facegap.audit.finish import Evidence
    from facegap.audit.models import ModelFacts
    from facegap.audit.on_cluster.parts import Cluster
    from facegap.audit.pooling import Gathered
    from facegap.audit.resolved import ResolvedAudit
    from facegap.inputs.manifests.read import Manifest
    from facegap.store.record import ComparisonRecord, RequestRecord
    from facegap.types import Execution

OF_FRAMES = "parts/frames.npy"  # embeddings before pooling; removed with the parts


def evidence_of(
    folder: Path,
    resolved: ResolvedAudit,
    facts: ModelFacts,
    request: RequestRecord,
    started: int,
    cluster: Cluster | None = None,
) -> Evidence:
    """The evidence when all parts are committed: faces, predictions, comparisons and searches."""
    from facegap.audit.finish import Evidence
    from facegap.audit.first_frames import by_frames
    from facegap.audit.identify import identify
    from facegap.audit.phases import PAIRS, SEARCHES
    from facegap.audit.record import record_of
    from facegap.audit.resumable_counts import ResumableCounter
    from facegap.audit.verify import match
    from facegap.derive.outcomes import predictions_table
    from facegap.matching import search
    from facegap.store import run as store

    with store.fitting_together(folder):  # the parts of a resumed run may belong to another run
        rows, found = gathered(folder, resolved.manifest, facts.dimension)
    if resolved.qualities is not None:
        found = replace(found, faces=found.faces.assign(given_quality=resolved.qualities.values))
    record = record_of(resolved, facts, request, rows)
    answers = rows if found.pooled is None else without_predictions(found.faces)
    evidence = Evidence(
        record,
        found.faces,
        predictions_table(answers, resolved.manifest.frame, facts.models.classes, resolved.outputs),
        pooled=found.pooled,
    )
    if (templates := found.templates) is not None:
        threshold_set, workers = None, facts.execution.workers
        if resolved.threshold_set is not None:
            _, others = gathered(folder / store.THRESHOLD_SET, resolved.threshold_set, facts.dimension)
            threshold_set = others.templates
            keep_threshold_set(folder, resolved, others)
        resolved.settings.output.phase(PAIRS)
        counter = ResumableCounter(folder) if cluster is None or cluster.ship else cluster.counter(folder)
        matching = match(templates, threshold_set, resolved, workers=workers, counter=counter)
        record = replace(
            record,
            comparison=matching.record,
            execution=with_filter(record.execution, matching.record),
            timing=replace(record.timing, ns_per_pair=matching.ns_per_pair),
        )
        evidence = replace(evidence, embeddings=templates.vectors, matched=matching.matched)
        if resolved.search_roles is not None:
            resolved.settings.output.phase(SEARCHES)
            searching = search if cluster is None or cluster.ship else cluster.searcher(folder)
            searches = identify(templates, threshold_set, resolved, workers=workers, searching=searching)
            record = replace(record, identification=searches.record)
            evidence = replace(evidence, searched=searches.searched)
        evidence = replace(evidence, by_frames=by_frames(found, resolved, workers=workers))
    wall_s = round((time.perf_counter_ns() - started) / 1e9, 3)
    return replace(evidence, record=replace(record, timing=replace(record.timing, wall_s_of_last_start=wall_s)))


def with_filter(execution: Execution, comparison: ComparisonRecord) -> Execution:
    """The execution record, with a note on the filter used for its pairs."""
    notes = () if comparison.all_pairs is None else (comparison.all_pairs.reason,)
    return replace(execution, notes=execution.notes + notes)


def keep_threshold_set(folder: Path, resolved: ResolvedAudit, found: Gathered) -> None:
    """Write the outcome of the images of a threshold set, without names if --no-ids is given."""
    from facegap.audit.hashed_names import hashed_names, salt_of
    from facegap.store import run as store

    assert resolved.threshold_set is not None
    pooled = found.pooled
    tables = [resolved.threshold_set.frame, found.faces]
    if pooled is not None:
        tables = [pooled.manifest, pooled.faces, pooled.templates]
    if not resolved.settings.output.keep_ids:
        tables = [hashed_names(table, salt_of(folder)) for table in tables]
    store.write_threshold_set(folder, *tables)


def gathered(folder: Path, table: Manifest, dimension: int | None) -> tuple[pd.DataFrame, Gathered]:
    """The pipeline's rows of one set by image, and the outcome of the rows that are compared.

    dimension : length of a template; None without an embedder
    """
    import numpy as np

    from facegap.audit.pooling import Gathered, frames_table, gathered_templates
    from facegap.derive.outcomes import faces_table
    from facegap.store import run as store
    from facegap.store.arrays import mapped_npy
    from facegap.store.pooled import units_of
    from facegap.vision.pipeline import PART_ROWS

    parts = -(-len(table.by_image.frame) // PART_ROWS)
    rows = store.read_part_rows(folder, parts)
    faces = faces_table(rows, embedded=dimension is not None)
    if dimension is None:
        return rows, Gathered(faces)
    if table.members is None:
        usable = np.flatnonzero(faces["outcome"] == "ok")
        store.join_embeddings(folder, parts, len(usable), dimension)
        return rows, gathered_templates(table, faces, store.read_embeddings(folder), usable)
    frames = frames_table(rows)
    row_of, outcomes = units_of(faces, frames)
    usable = row_of[outcomes == "ok"]
    store.join_embeddings(folder, parts, len(usable), dimension, OF_FRAMES)
    return rows, gathered_templates(table, faces, mapped_npy(folder / OF_FRAMES), usable, frames)


def without_predictions(faces: pd.DataFrame) -> pd.DataFrame:
    """FACES without the columns of a classifier that did not run."""
    return faces.assign(prediction="", probability=float("nan"), age=float("nan"))
