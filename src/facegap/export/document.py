"""A run as one JSON document, in the reporting order of ISO/IEC 19795-10, with missing items named.

The items are those of the published scope of ISO/IEC 19795-10:2024 (failure to enrol, shifts in comparison score,
recognition error rates, throughput; group membership, phenotypic measures, uncertainty, threshold settings). The
document states what a run reports for each item and what is missing; it claims no conformity.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from typing import Any

import pandas as pd

from facegap.audit.settings import PUBLISHED
from facegap.derive.groupings import attribute_columns
from facegap.derive.metrics import metric_of, metrics
from facegap.derive.unnamed import unnamed
from facegap.export.items import items_of
from facegap.report.rows.frames import across_groups, group_of, groupings_of, records
from facegap.store.record import RunRecord
from facegap.store.run import Run
from facegap.vision.pool import POOLING

FORMAT, VERSION = "facegap run export", 1
SCHEMA_FILE = "run_export.schema.json"
STANDARD = "ISO/IEC 19795-10:2024"
SCOPE = (
    "Items are those of the published scope of the standard. This document reports what the run measured for each "
    "item and names what is missing; it claims no conformity."
)
RATE_NUMBERS = ("errors", "trials", "subjects", "effective_trials", "value", "low", "high", "level", "method")
# The interval of a gap is the one that decided its verdict; the separate ones of difference and ratio are in gaps.csv.
GAP_NUMBERS = (
    "difference",
    "ratio",
    "p",
    "p_adjusted",
    "margin",
    "scale",
    "differs",
    "within_margin",
    "beyond_margin",
    "primary",
    "verdict",
    "decided_low",
    "decided_high",
    "decided_level",
    "subjects_needed",
    "label_wrong",
    "label_bound_low",
    "label_bound_high",
    "label_holds",
    "lost_a",
    "lost_b",
    "loss_difference_low",
    "loss_difference_high",
    "loss_ratio_low",
    "loss_ratio_high",
    "loss_stands",
)
ANSWER_OF = ("output", "measure", "answer")
PEOPLE = "the subject, not the image or pair, is the sampling unit"
POLICIES = {
    "given": "given in advance",
    "published": "as published on the model's card",
    "set": "one global threshold, set on other people for a target false match rate",
    "in_sample": "one global threshold, set on the same pairs on which it is evaluated",
}


def schema_text() -> str:
    """The JSON Schema of the document, with every known metric."""
    schema = json.loads(files("facegap.export").joinpath(SCHEMA_FILE).read_text(encoding="utf-8"))
    schema["$defs"]["metric"]["enum"] = list(metrics())
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def run_export(run: Run) -> dict[str, Any]:
    """The document as JSON values; null for every number that is undefined or unbounded."""
    whole = {
        "format": FORMAT,
        "version": VERSION,
        "standard": {"name": STANDARD, "scope": SCOPE},
        "reported": [],
        "tasks": tasks_of(run),
        "system": system_of(run),
        "data": data_of(run),
        "groups": groups_of(run),
        "thresholds": thresholds_of(run),
        "failure_to_enrol": rates_of(run, failures=True),
        "error_rates": rates_of(run, failures=False),
        "cross_group_false_matches": cross_group(run),
        "score_shifts": score_shifts(run),
        "gaps": gaps_of(run),
        "differentials": differentials_of(run),
        "answer_rates": answer_rates_of(run),
        "answer_gaps": answer_gaps_of(run),
        "throughput": throughput_of(run),
        "uncertainty": uncertainty_of(run),
        "warnings": unnamed(list(run.record.warnings), run),
    }
    whole["reported"] = [
        {"item": item.item, "where": item.where, "present": not item.missing, "missing": item.missing}
        for item in items_of(run, whole)
    ]
    plain: dict[str, Any] = as_json(whole)
    return plain


# ---- sections ----


def tasks_of(run: Run) -> list[str]:
    """What was evaluated."""
    found = ["detection"] if "detect" in run.record.models else []
    found += ["gender classification"] if run.record.classes else []
    found += ["age estimation"] if run.record.says_age else []
    found += ["verification (1:1)"] if run.matched is not None else []
    return found + (["identification (1:N)"] if run.searched is not None else [])


def system_of(run: Run) -> dict[str, Any]:
    """The models with their hashes and licences, and the hardware and software that ran them."""
    used = run.record.execution
    models = [
        {
            "task": task,
            "name": name,
            "sha256": used.models.get(name, ""),
            **of_card(run.record.request.card(task)),
        }
        for task, name in run.record.models.items()
    ]
    return {
        "models": models,
        "device": used.device_name,
        "providers": list(used.providers_used),
        "precision": used.precision,
        "versions": dict(used.versions),
    }


def of_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """Licence, training data and limits from the card of a model; empty if the card does not state them or is missing."""
    training, limits = card.get("training_data"), card.get("known_limits")
    return {
        **{key: str(card.get(key) or "") for key in ("licence", "citation")},
        "training_data": str(training.get("description", "")) if isinstance(training, Mapping) else "",
        "known_limits": [str(limit) for limit in limits] if isinstance(limits, list) else [],
    }


def data_of(run: Run) -> dict[str, Any]:
    """The manifest: hash and sizes."""
    stated = run.record.manifest
    people = int(run.manifest["subject"].nunique()) if stated.has_subjects else None
    return {
        "manifest_sha256": stated.sha256,
        "images": len(run.by_image[0]),
        **templates_of(run),
        "people": people,
        "excluded_by_condition": stated.excluded_by_where,
        "face_outcomes": {str(key): int(count) for key, count in run.by_image[1]["outcome"].value_counts().items()},
    }


def templates_of(run: Run) -> dict[str, Any]:
    """The number of templates into which images are pooled, and their outcomes; empty if each image is one template."""
    if run.pooled is None:
        return {}
    outcomes = run.faces["outcome"].value_counts()
    return {
        "templates": len(run.manifest),
        "template_outcomes": {str(key): int(count) for key, count in outcomes.items()},
        "pooling": POOLING,
    }


def groups_of(run: Run) -> dict[str, Any]:
    """The groupings, the number of people with each label, and the source of the labels."""
    columns = []
    for name in attribute_columns(groupings_of(run)):
        images = run.by_image[0][name].value_counts()
        people = run.manifest.groupby(name)["subject"].nunique()
        columns.append(
            {
                "attribute": name,
                "labelled_by": "a joined table of tone"
                if name in run.record.label_columns
                else "the source of the manifest",
                "labels": [
                    {"label": str(label), "images": int(count), "people": int(people.loc[str(label)])}
                    for label, count in images.items()
                ],
            }
        )
    groupings = [list(grouping) for grouping in groupings_of(run)]
    return {"groupings": groupings, "attributes": columns, "minimum_subjects": run.record.min_subjects}


def thresholds_of(run: Run) -> dict[str, Any]:
    """The thresholds, and how they were set."""
    points = run.record.operating
    given = run.record.request.setting("verify", "threshold") or []
    in_sample = run.record.request.setting("verify", "in_sample")
    kinds = {"published": PUBLISHED in given, "given": bool(given), "in_sample": in_sample}
    kind = next((kind for kind, holds in kinds.items() if holds), "set")
    return {
        "convention": "accept when score >= threshold",
        "policy": POLICIES[kind] if points else "",
        "points": [
            {"threshold": point.threshold, "source": point.source, "target_fmr": list(point.targets)}
            for point in points
        ],
    }


def rates_of(run: Run, *, failures: bool) -> list[dict[str, Any]]:
    """Rates by group, either of failures to give a result or of errors, without cells of the cross-group matrix."""
    rows = run.rates[~across_groups(run.rates, attribute_columns(groupings_of(run)))]
    return [rate_of(row, run) for row in records(rows) if metric_of(row["metric"]).is_failure == failures]


def rate_of(row: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """One row of RATES."""
    return {
        "metric": row["metric"],
        "model": row["model"],
        "group": group_object(row, run),
        "threshold": row["threshold"],
        "threshold_from": row["threshold_from"],
        **{name: row[name] for name in RATE_NUMBERS},
    }


def group_object(row: Mapping[str, Any], run: Run, prefix: str = "") -> dict[str, str]:
    """The group of a row as attribute -> label; empty for all people."""
    return dict(group_of(row, groupings_of(run), prefix).attributes)


def cross_group(run: Run) -> list[dict[str, Any]]:
    """FMR between every two groups."""
    rows = run.rates[across_groups(run.rates, attribute_columns(groupings_of(run)))]
    return [{**rate_of(row, run), "other_group": group_object(row, run, "other_")} for row in records(rows)]


def score_shifts(run: Run) -> list[dict[str, Any]]:
    """Means of genuine and impostor scores by group, and their shift from those of all people."""
    table = run.extra.get("scores.csv")
    if table is None or not len(table):
        return []
    rows = records(table)
    everybody = next((row for row in rows if not group_object(row, run)), rows[0])
    names = (
        "genuine_pairs",
        "genuine_mean",
        "impostor_pairs",
        "impostor_mean",
        "equal_error_rate",
        "equal_error_threshold",
        "equal_error_convention",
    )
    return [
        {
            "group": group_object(row, run),
            **{name: row[name] for name in names},
            "genuine_shift": row["genuine_mean"] - everybody["genuine_mean"],
            "impostor_shift": row["impostor_mean"] - everybody["impostor_mean"],
        }
        for row in rows
    ]


def gaps_of(run: Run) -> list[dict[str, Any]]:
    """Every pair of groups with its verdict."""
    return [
        {
            "metric": row["metric"],
            "model": row["model"],
            "threshold": row["threshold"],
            "family": row["family"],
            "group_a": row["group_a"],
            "group_b": row["group_b"],
            **{f"{name}_{side}": row[f"{name}_{side}"] for side in "ab" for name in ("errors", "trials", "subjects")},
            **{name: row[name] for name in GAP_NUMBERS},
            "label_p_adjusted": row["label_p_adjusted"],
        }
        for row in records(run.gaps)
    ]


def differentials_of(run: Run) -> list[dict[str, Any]]:
    """Published single-number measures of unequal rates."""
    table = run.extra.get("differentials.csv", pd.DataFrame())
    return [
        {
            **{name: str(row[name]) for name in ("measure", "metrics", "family")},
            "threshold": row["threshold"],
            "value": row["value"],
            "fair_value": row["fair_value"],
            "p": row["p"],
            "undefined_because": str(row.get("undefined_because", "") or ""),
        }
        for row in records(table)
    ]


def answer_rates_of(run: Run) -> list[dict[str, Any]]:
    """How often each value of a further output was predicted, by group; no errors, since there are no labels."""
    names = (*ANSWER_OF, "model", "count", "trials", "subjects", "value", "low", "high", "level", "method")
    table = run.extra.get("answer_rates.csv", pd.DataFrame())
    return [{"group": group_object(row, run), **{name: row[name] for name in names}} for row in records(table)]


def answer_gaps_of(run: Run) -> list[dict[str, Any]]:
    """Every pair of groups for one predicted value, with the verdict on whether its rates differ."""
    numbers = ("difference", "p", "p_adjusted", "margin", "verdict")
    names = (*ANSWER_OF, "model", "family", "group_a", "group_b", *numbers)
    table = run.extra.get("answer_gaps.csv", pd.DataFrame())
    return [{name: row[name] for name in names} for row in records(table)]


def throughput_of(run: Run) -> dict[str, Any]:
    """Milliseconds per image by stage, and by group if the run measured them."""
    timing = run.record.timing
    overall = [
        {"stage": stage, "images": spent.images, "median_ms": spent.median_ms, "p95_ms": spent.p95_ms}
        for stage, spent in timing.per_image.items()
        if spent.images
    ]
    return {"overall": overall, "by_group": [asdict(spent) for spent in timing.by_group]}


def uncertainty_of(run: Run) -> dict[str, Any]:
    """The methods behind intervals and tests."""
    return {
        "level": run.record.level,
        "unit": unit_of(run.record),
        "interval_methods": sorted({str(method) for method in run.rates["method"]}),
        "multiplicity": "Holm's p over all pairs of groups of one grouping, metric, model and threshold",
        "alpha": run.record.alpha,
    }


def unit_of(record: RunRecord) -> str:
    """The sampling unit."""
    if record.cluster:
        return f"units of {' and '.join(record.cluster)}, as given by --cluster"
    return PEOPLE if record.manifest.has_subjects else "each image was treated as a different person"


def as_json(value: Any) -> Any:
    """A value as JSON: NaN and infinity become null, numpy numbers become plain ones."""
    if isinstance(value, Mapping):
        return {str(key): as_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(entry) for entry in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
