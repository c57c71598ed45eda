"""run.json: what was asked for, what it ran on, how long it took, and what a reader must know."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from facegap.audit.files import colour_record
from facegap.audit.models import Loaded, chosen_groupings, plain
from facegap.audit.settings import AuditSettings, CallableModel, recorded
from facegap.derive.groupings import Grouping, cells_of
from facegap.derive.label_uncertainty.notes import label_warnings
from facegap.derive.never_shown import never_shown_sentences
from facegap.inputs.cards.schema import ModelCard, Task
from facegap.inputs.images.decode import EXIF_RULE
from facegap.inputs.manifests.read import Manifest
from facegap.runtime import version_of
from facegap.vision.pipeline import STAGES

RECORD_VERSION = 2  # since 2 gaps.csv says what label noise does


def record_of(
    table: Manifest, settings: AuditSettings, loaded: Loaded, request: Mapping[str, Any], rows: pd.DataFrame
) -> dict[str, Any]:
    """The content of run.json: what was asked for, what it ran on, how long it took, and what a reader must know."""

    groupings, notes = chosen_groupings(table, settings)
    judged = loaded.cards.get("classify")
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
        **joined_labels(table),
        "models": {task: card.name for task, card in loaded.cards.items()},
        "classes": list(judged.gender_classes) if judged else [],
        "says_age": bool(judged and judged.says_age),
        "groupings": [list(grouping) for grouping in groupings],
        "level": settings.groups.level,
        "min_subjects": settings.groups.min_subjects,
        "execution": plain(asdict(loaded.execution)),
        "timing": {**timing(rows), "by_group": timing_by_group(rows, table.frame, groupings)},
        "colour": colour_record(rows, settings.faces.colour),
        "conventions": {"exif": EXIF_RULE, "labels": "as the source of the manifest states them"},
        "alarms": [*loaded.remembered.alarms, *loaded.remarks.alarms],
        "checked": list(loaded.remembered.checked),
        "warnings": [
            *loaded.remembered.alarms,
            *loaded.remarks.alarms,
            *never_shown_sentences(table.frame, rows["outcome"], groupings),
            *loaded.remarks.notices,
            *table.warnings,
            *label_warnings(
                table.joined,
                groupings,
                len(table.frame),
                compared="embed" in loaded.cards,
                searched=settings.identify is not None,
            ),
            *notes,
            *card_warnings(loaded.cards),
            *function_warnings(settings),
            *loaded.remembered.warnings,
        ],
    }


def black_box_record(
    table: Manifest,
    groupings: Sequence[Grouping],
    notes: Sequence[str],
    models: Mapping[str, str],
    settings: AuditSettings,
    *,
    kind: str,
) -> dict[str, Any]:
    """The record of an audit in which no model ran here: answers, templates or scores were handed over.

    kind : which of these, as the command is called
    """
    versions = {name: version_of(name) for name in ("facegap", "numpy", "scipy", "pandas", "numba") if version_of(name)}
    return {
        "version": RECORD_VERSION,
        "state": "complete",
        "request": {
            "audit": kind,
            "model": models.get("embed", models.get("classify")),
            "manifest_sha256": table.sha256,
            "settings": recorded(settings),
        },
        "manifest": {
            "sha256": table.sha256,
            "rows": len(table.frame),
            "excluded_by_where": table.excluded,
            "has_subjects": table.has_subjects,
            "labels": list(table.labels),
        },
        **joined_labels(table),
        "models": dict(models),
        "classes": [],
        "says_age": False,
        "groupings": [list(grouping) for grouping in groupings],
        "level": settings.groups.level,
        "min_subjects": settings.groups.min_subjects,
        "execution": {
            "device_name": "no model ran here",
            "providers_used": [],
            "workers": 0,
            "batch": 0,
            "models": {},
            "versions": {"python": platform.python_version(), **versions},
        },
        "timing": {"per_image": {}},
        "conventions": {"exif": "no image was read", "labels": "as the source of the manifest states them"},
        "warnings": [*table.warnings, *closed_label_warnings(table, groupings, models), *notes],
    }


def joined_labels(table: Manifest) -> dict[str, Any]:
    """The entry of run.json on labels of tone that came from files beside the manifest; none without."""
    return {} if table.joined is None else {"labels": plain(table.joined.record)}


def closed_label_warnings(table: Manifest, groupings: Sequence[Grouping], models: Mapping[str, str]) -> list[str]:
    """What must be known of joined labels where no model ran here."""
    return label_warnings(table.joined, groupings, len(table.frame), compared="embed" in models)


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
