"""run.json: what was asked for, what it ran on, how long it took, and what a reader must know."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from facegap.audit.files import colour_record
from facegap.audit.models import Loaded
from facegap.audit.resolved import ResolvedAudit
from facegap.audit.settings import AuditSettings, CallableModel, recorded
from facegap.derive.groupings import Grouping, cells_of
from facegap.derive.label_uncertainty.notes import label_warnings
from facegap.derive.never_shown import never_shown_sentences
from facegap.errors import RunError
from facegap.inputs.cards.schema import ModelCard, Task
from facegap.inputs.given import IN_MEMORY
from facegap.inputs.images.decode import EXIF_RULE
from facegap.inputs.manifests.read import JoinedLabels, Manifest
from facegap.runtime import version_of
from facegap.vision.pipeline import PART_ROWS, STAGES

AuditKind = Literal["images", "predictions", "embeddings", "scores"]
LABELS_AS_STATED = "as the source of the manifest states them"
SAME_ON_RESUME = ("onnxruntime", "onnxruntime-gpu", "opencv-python", "numpy", "facegap")
RECORD_VERSION = 2  # since 2 gaps.csv says what label noise does


def record_of(
    resolved: ResolvedAudit, loaded: Loaded, request: Mapping[str, Any], rows: pd.DataFrame
) -> dict[str, Any]:
    """The content of run.json: what was asked for, what it ran on, how long it took, and what a reader must know."""
    table, models = resolved.manifest, loaded.models
    remembered, remarks = loaded.remembered, loaded.remarks
    labels = label_warnings(
        table.joined,
        resolved.groupings,
        len(table.frame),
        compared="embed" in models.cards,
        searched=resolved.search_roles is not None,
    )
    return {
        **common_record(resolved, {task: card.name for task, card in models.cards.items()}, request),
        "classes": list(models.classes),
        "says_age": models.says_age,
        "execution": plain(asdict(loaded.execution)),
        "timing": {**timing(rows), "by_group": timing_by_group(rows, table.frame, resolved.groupings)},
        "colour": colour_record(rows, resolved.settings.faces.colour),
        "conventions": {"exif": EXIF_RULE, "labels": LABELS_AS_STATED},
        "alarms": [*remembered.alarms, *remarks.alarms],
        "checked": list(remembered.checked),
        "warnings": [
            *remembered.alarms,
            *remarks.alarms,
            *never_shown_sentences(table.frame, rows["outcome"], resolved.groupings),
            *remarks.notices,
            *table.warnings,
            *labels,
            *resolved.notes,
            *card_warnings(models.cards),
            *function_warnings(resolved.settings),
            *remembered.warnings,
        ],
    }


def black_box_record(resolved: ResolvedAudit, models: Mapping[str, str], request: Mapping[str, Any]) -> dict[str, Any]:
    """The record of an audit in which no model ran here: answers, templates or scores were handed over."""
    table = resolved.manifest
    versions = {name: version_of(name) for name in ("facegap", "numpy", "scipy", "pandas", "numba") if version_of(name)}
    labels = label_warnings(table.joined, resolved.groupings, len(table.frame), compared="embed" in models)
    return {
        **common_record(resolved, models, request),
        "classes": [],
        "says_age": False,
        "execution": {
            "device_name": "no model ran here",
            "providers_used": [],
            "workers": 0,
            "batch": 0,
            "models": {},
            "versions": {"python": platform.python_version(), **versions},
        },
        "timing": {"per_image": {}},
        "conventions": {"exif": "no image was read", "labels": LABELS_AS_STATED},
        "warnings": [*table.warnings, *labels, *resolved.notes],
    }


def common_record(resolved: ResolvedAudit, models: Mapping[str, str], request: Mapping[str, Any]) -> dict[str, Any]:
    """What run.json says of every audit."""
    table, groups = resolved.manifest, resolved.settings.groups
    return {
        "version": RECORD_VERSION,
        "state": "complete",
        "request": dict(request),
        "manifest": {
            "sha256": table.sha256,
            "rows": len(table.frame),
            "excluded_by_where": table.excluded,
            "has_subjects": table.has_subjects,
            "labels": list(table.labels),
        },
        **joined_labels(table),
        "models": dict(models),
        "groupings": [list(grouping) for grouping in resolved.groupings],
        "level": groups.level,
        "min_subjects": groups.min_subjects,
    }


def request_of(resolved: ResolvedAudit, kind: AuditKind, **more: Any) -> dict[str, Any]:
    """What was asked for: the settings that decide a result, and the sha256 of the files that were read.

    kind : what the audit starts from; `more` is what only such an audit is asked for
    """
    table, elsewhere = resolved.manifest, resolved.threshold_set
    return {
        "audit": kind,
        "manifest_sha256": table.sha256,
        "in_memory": table.name.startswith(IN_MEMORY),
        "threshold_set_sha256": None if elsewhere is None else elsewhere.sha256,
        "pair_lists_sha256": resolved.pair_lists_sha256,
        "labels": None if table.joined is None else labels_request(table.joined),
        "rows": len(table.frame),
        "settings": recorded(resolved.settings),
        **more,
    }


def models_request(loaded: Loaded) -> dict[str, Any]:
    """Of models that run here what must be the same for --resume to end with the same tables."""
    versions = loaded.execution.versions
    return {
        "part_rows": PART_ROWS,
        "cards": {task: card.model_dump(mode="json") for task, card in loaded.cards.items()},
        "versions": {name: versions[name] for name in SAME_ON_RESUME if name in versions},
    }


def labels_request(joined: JoinedLabels) -> dict[str, Any]:
    """Of joined labels what decides the tables: the files, and the draws."""
    files = {name: joined.record[name]["sha256"] for name in ("tone", "annotations") if name in joined.record}
    return {**files, "draws": joined.record["draws"], "seed": joined.record["seed"]}


def require_same_request(folder: Path, stored: Any, request: Mapping[str, Any]) -> None:
    """Raise RunError that names what differs between the run in the folder and the one that is asked for."""
    if not isinstance(stored, dict):
        raise RunError(f"{folder}: its run.json does not say what was asked for; choose another --out")
    changed = differences(stored, request)
    if changed:
        raise RunError(
            f"{folder}: the run there differs in {', '.join(changed)}; resume it with the same command, files and "
            "versions, or choose another --out"
        )


def differences(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """The keys, with those above them, whose values differ between two records."""
    found: list[str] = []
    for key in {**old, **new}:
        one, other = old.get(key), new.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found += differences(one, other, f"{path}{key}.")
        elif one != other:
            found.append(f"{path}{key}")
    return found


def plain(value: Any) -> Any:
    """Tuples and mappings as JSON will give them back, so that a record in memory equals the record read again."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def joined_labels(table: Manifest) -> dict[str, Any]:
    """The entry of run.json on labels of tone that came from files beside the manifest; none without."""
    return {} if table.joined is None else {"labels": plain(table.joined.record)}


def function_warnings(settings: AuditSettings) -> list[str]:
    """A sentence on each model that is a Python function of the caller's."""
    return [
        f"{model.name} is the Python function {model.recorded()['function']}: this run cannot be made again from its record"
        for model in (settings.embed, settings.classify)
        if isinstance(model, CallableModel)
    ]


def card_warnings(cards: Mapping[Task, ModelCard]) -> list[str]:
    """What the cards themselves admit."""
    return [
        f"card {card.name} is unverified: the project has not run this model itself"
        for card in cards.values()
        if not card.verified
    ]


def timing(rows: pd.DataFrame) -> dict[str, Any]:
    """Milliseconds per image of each stage, over the images that reached it.

    A batch's time is shared equally by its images. NaN is written as null: no image reached the stage.
    """

    stages = {}
    for stage in STAGES:
        spent = rows[f"{stage}_ns"].to_numpy(np.float64)
        spent = spent[spent > 0] / 1e6
        quantiles = np.quantile(spent, [0.5, 0.95]).round(4).tolist() if len(spent) else [None, None]
        stages[stage] = {"images": len(spent), "median_ms": quantiles[0], "p95_ms": quantiles[1]}
    return {"per_image": stages}


def timing_by_group(rows: pd.DataFrame, manifest: pd.DataFrame, groupings: Sequence[Grouping]) -> list[dict[str, Any]]:
    """Milliseconds per image of all stages together, for everybody and every group of every grouping; null without images."""
    spent = rows[[f"{stage}_ns" for stage in STAGES]].to_numpy(np.float64).sum(axis=1) / 1e6
    found = []
    for grouping in ((), *groupings):
        cells = cells_of(manifest, grouping)
        for k, group in enumerate(cells.groups):
            inside = spent[(cells.codes == k) & (spent > 0)]
            quantiles = np.quantile(inside, [0.5, 0.95]).round(4).tolist() if len(inside) else [None, None]
            found.append(
                {
                    "group": dict(group.attributes),
                    "images": len(inside),
                    "median_ms": quantiles[0],
                    "p95_ms": quantiles[1],
                }
            )
    return found
