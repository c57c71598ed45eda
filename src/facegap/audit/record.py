"""run.json: the request, the execution environment, timings, and warnings for the reader."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facegap.audit.files import colour_record
from facegap.audit.models import ChosenModels, ModelFacts
from facegap.audit.outputs import output_warnings
from facegap.audit.resolved import ResolvedAudit
from facegap.audit.settings import SETTING, AuditSettings, CallableModel, leaves, recorded
from facegap.derive.groupings import Grouping, cells_of
from facegap.derive.label_uncertainty.notes import label_warnings
from facegap.derive.never_shown import never_shown_sentences
from facegap.errors import RunError
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.given import IN_MEMORY
from facegap.inputs.images.decode import EXIF_RULE
from facegap.inputs.manifests.read import JoinedLabels, Manifest
from facegap.inputs.points import GivenPoints
from facegap.inputs.qualities import MatchedQualities
from facegap.plugins import Plugin, installed
from facegap.runtime import version_of
from facegap.store.record import (
    AuditKind,
    ConventionsRecord,
    GroupTime,
    LabelsRequest,
    ManifestRecord,
    QualityFile,
    RequestRecord,
    RunRecord,
    StageTime,
    Task,
    TimingRecord,
)
from facegap.types import Execution, FloatArray
from facegap.vision import pipeline

LABELS_AS_STATED = "as stated by the source of the manifest"
SAME_ON_RESUME = ("onnxruntime", "onnxruntime-gpu", "opencv-python", "numpy", "facegap")


def record_of(resolved: ResolvedAudit, facts: ModelFacts, request: RequestRecord, rows: pd.DataFrame) -> RunRecord:
    """The content of run.json: the request, the execution environment, timings, and warnings for the reader."""
    table, models, groups = resolved.manifest, facts.models, resolved.settings.groups
    remembered, remarks = facts.remembered, facts.remarks
    labels = label_warnings(
        table.joined,
        resolved.groupings,
        len(table.frame),
        compared="embed" in models.cards,
        searched=resolved.search_roles is not None,
    )
    return RunRecord(
        request=request,
        manifest=manifest_record(table),
        models=models.names,
        groupings=resolved.groupings,
        level=groups.level,
        min_subjects=groups.min_subjects,
        cluster=groups.cluster,
        per_person=groups.per_person,
        shares=resolved.shares,
        execution=facts.execution,
        conventions=ConventionsRecord(EXIF_RULE, LABELS_AS_STATED),
        classes=tuple(models.classes),
        says_age=models.says_age,
        outputs=resolved.outputs,
        labels=None if table.joined is None else table.joined.record,
        date=today(),
        timing=TimingRecord(stage_times(rows), group_times(rows, table.by_image.frame, resolved.groupings)),
        colour=colour_record(rows, resolved.settings.faces.colour),
        alarms=(*remembered.alarms, *remarks.alarms),
        checked=tuple(remembered.checked),
        plugins=plugins_of(models.cards),
        warnings=(
            *remembered.alarms,
            *remarks.alarms,
            *never_shown_sentences(table.by_image.frame, rows["outcome"], resolved.groupings),
            *remarks.notices,
            *unnamed_people(table),
            *table.warnings,
            *given_face_warnings(models, rows),
            *labels,
            *(() if resolved.protocol is None else resolved.protocol.record.notes),
            *resolved.notes,
            *output_warnings(resolved.outputs),
            *crop_warnings(rows, reduced=resolved.settings.faces.allow_reduced_crop, cards=models.cards),
            *card_warnings(models.cards),
            *function_warnings(resolved.settings),
            *remembered.warnings,
        ),
    )


def black_box_record(resolved: ResolvedAudit, models: Mapping[Task, str], request: RequestRecord) -> RunRecord:
    """The record of an audit for which no model ran here: predictions, templates or scores were given."""
    table, groups = resolved.manifest, resolved.settings.groups
    versions = {name: version_of(name) for name in ("facegap", "numpy", "scipy", "pandas", "numba") if version_of(name)}
    labels = label_warnings(table.joined, resolved.groupings, len(table.frame), compared="embed" in models)
    return RunRecord(
        request=request,
        manifest=manifest_record(table),
        models=dict(models),
        groupings=resolved.groupings,
        level=groups.level,
        min_subjects=groups.min_subjects,
        cluster=groups.cluster,
        per_person=groups.per_person,
        shares=resolved.shares,
        execution=nothing_executed({"python": platform.python_version(), **versions}),
        conventions=ConventionsRecord("no image was read", LABELS_AS_STATED),
        date=today(),
        labels=None if table.joined is None else table.joined.record,
        plugins=plugins_of({}),
        warnings=(*unnamed_people(table), *table.warnings, *labels, *resolved.notes),
    )


def today() -> str:
    """The current date in UTC."""
    return datetime.now(UTC).date().isoformat()


def unnamed_people(table: Manifest) -> tuple[str, ...]:
    """A note that each image was treated as a different person, if no column names the subjects; shown with all intervals."""
    if table.has_subjects:
        return ()
    return (
        "each image was treated as a different person, because no column names the subjects; if a person has several "
        "images, the "
        "intervals are too narrow",
    )


def plugins_of(cards: Mapping[Task, ModelCard]) -> tuple[Plugin, ...]:
    """Plugins that take part in an audit: metrics, charts, and the decoders that its cards name."""
    return (*installed("facegap.metrics"), *installed("facegap.charts"), *decoder_plugins(cards))


def decoder_plugins(cards: Mapping[Task, ModelCard]) -> tuple[Plugin, ...]:
    """Plugins whose decoders are named by the cards of an audit."""
    named = {card.detector.decoder for card in cards.values() if card.detector is not None}
    return tuple(plugin for plugin in installed("facegap.decoders") if plugin.name in named)


def versions_of_decoders(cards: Mapping[Task, ModelCard]) -> dict[str, str]:
    """Versions of the packages whose decoders are used in an audit."""
    return {plugin.package: plugin.version for plugin in decoder_plugins(cards)}


def manifest_record(table: Manifest) -> ManifestRecord:
    """The manifest for run.json."""
    return ManifestRecord(
        table.sha256, len(table.by_image.frame), table.excluded, table.has_subjects, tuple(table.labels)
    )


def nothing_executed(versions: Mapping[str, str]) -> Execution:
    """The execution record of an audit in which no model ran."""
    return Execution(
        device_asked="",
        providers_asked=(),
        providers_used=(),
        device_name="no model ran here",
        threads=0,
        workers=0,
        batch=0,
        precision="",
        versions=versions,
    )


def request_of(resolved: ResolvedAudit, kind: AuditKind) -> RequestRecord:
    """The request: the settings that affect results, and the sha256 of the files that every audit may read.

    kind : the input of the audit
    """
    table, elsewhere = resolved.manifest, resolved.threshold_set
    return RequestRecord(
        kind,
        recorded(resolved.settings),
        table.sha256,
        in_memory=table.name.startswith(IN_MEMORY),
        threshold_set_sha256=None if elsewhere is None else elsewhere.sha256,
        pair_lists_sha256=tuple(resolved.pair_lists_sha256),
        shares_sha256=None if resolved.shares is None else resolved.shares.sha256,
        points_sha256=resolved.models.faces.sha256 if isinstance(resolved.models.faces, GivenPoints) else None,
        quality=None if resolved.qualities is None else quality_file(resolved.qualities),
        labels=None if table.joined is None else labels_request(table.joined),
        alpha=resolved.settings.groups.alpha,
        margins=resolved.margins,
        plan=resolved.plan,
        rows=len(table.by_image.frame),
        protocol=None if resolved.protocol is None else resolved.protocol.record,
    )


def with_models(request: RequestRecord, facts: ModelFacts) -> RequestRecord:
    """The request completed with the properties of the opened models that must be unchanged for --resume."""
    return with_cards(request, facts.models.cards, facts.execution.versions)


def with_cards(request: RequestRecord, cards: Mapping[Task, ModelCard], versions: Mapping[str, str]) -> RequestRecord:
    """The request completed with the properties of models that are not open yet. versions : of the packages that compute."""
    return replace(
        request,
        part_rows=pipeline.PART_ROWS,
        cards={task: card.model_dump(mode="json") for task, card in cards.items()},
        versions={name: versions[name] for name in SAME_ON_RESUME if name in versions} | versions_of_decoders(cards),
    )


def labels_request(joined: JoinedLabels) -> LabelsRequest:
    """The part of joined labels that determines the tables: the files, and the simulated labels."""
    return LabelsRequest(joined.record.files, joined.record.draws, joined.record.seed)


def quality_file(matched: MatchedQualities) -> QualityFile:
    """The file of --quality for run.json."""
    given = matched.given
    return QualityFile(given.name, given.sha256, given.column, given.layout)


def require_same_request(folder: Path, stored: RequestRecord, request: RequestRecord) -> None:
    """Raise RunError with the differences between the run in the folder and the requested one."""
    if changed := differing_keys(stored, request):
        raise RunError(
            f"{folder}: the run in it differs in {', '.join(changed)}; resume it with the same command, files and "
            "versions, or choose another --out"
        )


def differing_keys(one: RequestRecord, other: RequestRecord) -> list[str]:
    """The keys in which two requests differ in a way that may affect results."""
    free = {f"settings.{section}.{field.name}" for section, field in leaves() if field.metadata[SETTING].free_on_resume}
    return [key for key in differences(one.to_json(), other.to_json()) if key not in free]


def as_first_read(request: RequestRecord, stored: RequestRecord) -> RequestRecord:
    """The request with the time at which the first start of the run read its plan; the hash of the plan is compared separately."""
    if request.plan is None or stored.plan is None:
        return request
    return replace(request, plan=replace(request.plan, read_at=stored.plan.read_at))


def differences(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """The keys, as paths, whose values differ between two records."""
    found: list[str] = []
    for key in {**old, **new}:
        one, other = old.get(key), new.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found += differences(one, other, f"{path}{key}.")
        elif one != other:
            found.append(f"{path}{key}")
    return found


def function_warnings(settings: AuditSettings) -> list[str]:
    """A sentence on each model that is a Python function of the caller."""
    return [
        f"{model.name} is the Python function {model.recorded()['function']}: this run cannot be reproduced from its "
        f"record"
        for model in (settings.embed, settings.classify)
        if isinstance(model, CallableModel)
    ]


def given_face_warnings(models: ChosenModels, rows: pd.DataFrame) -> list[str]:
    """Notes on faces for which no detector ran."""
    if isinstance(models.faces, GivenPoints):
        missing = int((rows["outcome"] == "no_points").sum())
        lost = f"; {missing:,} of {len(rows):,} images have none (outcome no_points)" if missing else ""
        return [f"no detector ran; the points of the faces come from {models.faces.name}{lost}"]
    if models.faces is None:
        return []
    crops = [
        f"{card.name} on a square around the face, margin {card.crop.margin:g}"
        if card.crop.rule == "square"
        else f"{card.name} on the box of the face times {card.crop.factor:g}"
        for card in models.cards.values()
        if card.crop
    ]
    crops += [f"{card.name} on its five points" for card in models.cards.values() if card.alignment]
    return [
        f"no detector ran; every image was used as a crop made for the model ({'; '.join(crops)}), of which only the "
        f"size could be checked"
    ]


def crop_warnings(rows: pd.DataFrame, *, reduced: bool, cards: Mapping[Task, ModelCard]) -> list[str]:
    """How many images were too small for the crop of the classifier, or a note that smaller crops were allowed."""
    crop = cards["classify"].crop if "classify" in cards else None
    if crop is None or crop.rule != "shifted":
        return []
    if reduced:
        return [
            f"--allow-reduced-crop: an image that is too small for {crop.factor:g} times the box was cropped as "
            f"large as possible, for which the model's prediction may differ"
        ]
    missing = int(rows["crop_missing"].sum())
    why = (
        f"are too small for 90% of the crop of {crop.factor:g} times the box and are not trials (outcome "
        f"crop_unavailable)"
    )
    return (
        [f"{missing:,} of {len(rows):,} images {why}; --allow-reduced-crop uses the largest possible crop"]
        if missing
        else []
    )


def card_warnings(cards: Mapping[Task, ModelCard]) -> list[str]:
    """Warnings about the cards."""
    return [
        f"card {card.name} is unverified: the project has not run this model"
        for card in cards.values()
        if not card.verified
    ]


def stage_times(rows: pd.DataFrame) -> dict[str, StageTime]:
    """Milliseconds per image for each stage, over the images that reached it.

    The time of a batch is divided equally among its images.
    """
    found = {}
    for stage in pipeline.STAGES:
        spent = rows[f"{stage}_ns"].to_numpy(np.float64)
        spent = spent[spent > 0] / 1e6
        found[stage] = StageTime(len(spent), *median_and_p95(spent))
    return found


def group_times(rows: pd.DataFrame, manifest: pd.DataFrame, groupings: Sequence[Grouping]) -> tuple[GroupTime, ...]:
    """Milliseconds per image of all stages together, for all images and every group of every grouping."""
    spent = rows[[f"{stage}_ns" for stage in pipeline.STAGES]].to_numpy(np.float64).sum(axis=1) / 1e6
    found = []
    for grouping in ((), *groupings):
        cells = cells_of(manifest, grouping)
        for k, group in enumerate(cells.groups):
            inside = spent[(cells.codes == k) & (spent > 0)]
            found.append(GroupTime(dict(group.attributes), len(inside), *median_and_p95(inside)))
    return tuple(found)


def median_and_p95(spent: FloatArray) -> tuple[float | None, float | None]:
    """Median and 95th percentile, rounded to four decimals; None without values."""
    if not len(spent):
        return None, None
    median, p95 = np.quantile(spent, [0.5, 0.95]).round(4).tolist()
    return median, p95
