"""Audits of several models on one manifest in a single pass; each gives the same run as a separate audit.

An image is decoded once, its face detected once, and each crop made once for all models that use it. The parts of each run
are committed separately, and each run then finishes independently.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from facegap.audit.consent import service_among
from facegap.audit.evidence import evidence_of
from facegap.audit.finish import Place, finish, run_folder
from facegap.audit.kept_parts import kept_parts
from facegap.audit.models import Loaded, open_models
from facegap.audit.phases import IMAGES, THRESHOLD_SET
from facegap.audit.resolved import ResolvedAudit
from facegap.audit.run import begun_or_finished, counted, print_remarks, require_all_files, resolved_audit, write_parts
from facegap.audit.settings import AuditSettings, CallableModel
from facegap.errors import SettingError
from facegap.inputs.manifests.read import Manifest
from facegap.store import run as store
from facegap.store.record import RequestRecord
from facegap.store.run import Run
from facegap.vision import pipeline
from facegap.vision.pipeline import Part, in_parts
from facegap.vision.several import run_part_of_several


@dataclass(frozen=True)
class Lane:
    """One of the runs in progress: its folder, its resolved inputs, and its models."""

    place: Place
    resolved: ResolvedAudit
    request: RequestRecord
    loaded: Loaded


def resolved_together(manifest: Path, requests: Sequence[AuditSettings]) -> list[ResolvedAudit]:
    """The inputs of each audit, resolved before a model is opened.

    requests : settings that differ only in the models other than the detector, and in the folder

    Raises
    ------
    SettingError : if there is no model, detectors differ, or a model is a black-box service or a function
    FacegapError : see `resolved_audit`
    """
    if not requests:
        raise SettingError("no model is given")
    for settings in requests:
        if settings.models.scheduler is not None:
            raise SettingError("audits in one pass run in one process; omit the scheduler")
        functions = [model for model in (settings.embed, settings.classify) if isinstance(model, CallableModel)]
        if functions or settings.detect != requests[0].detect or settings.service.verify_service is not None:
            raise SettingError("audits in one pass accept model files and one detector; audit anything else separately")
    found = [resolved_audit(manifest, settings) for settings in requests]
    for resolved in found:
        if (card := service_among(resolved.models.cards)) is not None:
            raise SettingError(f"{card.name} is a black-box service, which is audited separately: facegap audit")
        require_all_files(resolved)
    return found


def audit_together(audits: Sequence[ResolvedAudit]) -> list[Run]:
    """The run of each audit of `resolved_together`; runs that are already complete in their folders are returned unchanged.

    Raises
    ------
    RunError     : if a folder contains another run, or a run that was changed after it finished
    FacegapError : see `facegap.audit`
    """
    started = time.perf_counter_ns()
    with ExitStack() as stack:
        places = [stack.enter_context(run_folder(resolved.settings.output)) for resolved in audits]
        found = [begun_or_finished(place, resolved) for place, resolved in zip(places, audits, strict=True)]
        done: list[Run | None] = [run for _, run in found]
        todo = [k for k, run in enumerate(done) if run is None]
        lanes: list[Lane] = []
        for k in todo:
            settings = audits[k].settings
            loaded = open_models(audits[k].models, settings, beside=lanes[0].loaded if lanes else None)
            stack.callback(loaded.close)
            print_remarks(loaded, settings)
            lanes.append(Lane(places[k], audits[k], found[k][0], loaded))
        if lanes:
            process_together(lanes)
        for k, lane in zip(todo, lanes, strict=True):
            whole = evidence_of(lane.place.folder, lane.resolved, lane.loaded.facts, lane.request, started)
            done[k] = finish(lane.resolved, whole, lane.place)
    return [run for run in done if run is not None]


def process_together(lanes: Sequence[Lane]) -> None:
    """Commit every part of every run that is not committed yet."""
    settings = lanes[0].resolved.settings
    comparing = [lane for lane in lanes if lane.resolved.threshold_set is not None]
    if comparing:
        assert comparing[0].resolved.threshold_set is not None
        settings.output.phase(THRESHOLD_SET)
        folders = [lane.place.folder / store.THRESHOLD_SET for lane in comparing]
        process_set(comparing, folders, comparing[0].resolved.threshold_set.by_image)
    settings.output.phase(IMAGES)
    process_set(lanes, [lane.place.folder for lane in lanes], lanes[0].resolved.manifest.by_image)


def process_set(lanes: Sequence[Lane], folders: Sequence[Path], table: Manifest) -> None:
    """Commit the parts of one set of images. folders : where the parts of each lane are stored."""
    settings, execution = lanes[0].resolved.settings, lanes[0].loaded.execution
    part_rows = pipeline.PART_ROWS
    kept = [
        kept_parts(folder, table, part_rows, embedded=lane.loaded.stages.dimension is not None)
        for lane, folder in zip(lanes, folders, strict=True)
    ]
    numbers = range(-(-len(table.frame) // part_rows))
    todo = [k for k in numbers if any(k not in parts for parts in kept)]

    def stop() -> None:
        for lane in lanes:
            lane.loaded.stages.stop()

    with counted(table, numbers, todo, settings) as on_image:

        def made(number: int) -> dict[Path, Part]:
            lacking = [k for k, parts in enumerate(kept) if number not in parts]
            chunk = table.frame.iloc[number * part_rows : (number + 1) * part_rows]
            stages = [lanes[k].loaded.stages for k in lacking]
            found = run_part_of_several(chunk, table.folder, stages, on_image)
            return {folders[k]: part for k, part in zip(lacking, found, strict=True)}

        write_parts(in_parts(todo, made, workers=execution.workers, stop=stop), table, settings)
