"""A run as metadata of a Hugging Face model card: `model-index` for its front matter, or a file of evaluation results.

Both are YAML with JSON scalars, so that no name in a run can change their structure.
Source: modelcard.md and eval_results.yaml of github.com/huggingface/hub-docs.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from facegap.errors import SettingError
from facegap.export.impact_ratios import headline_metric
from facegap.report.tables import title_of
from facegap.report.text import score
from facegap.store.run import Run

TASKS = {"classify": "image-classification", "embed": "image-feature-extraction", "detect": "object-detection"}
DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


def model_index(run: Run, whole: Mapping[str, Any], dataset: str | None) -> str:
    """`model-index` with every rate of every group, between the front-matter lines of a model card.

    dataset : id of the data set on the Hub, ORGANISATION/NAME; None: the name of the run's data, which is not an id
    """
    named = run.record.data_name or "manifest " + run.record.manifest.sha256[:12]
    results = []
    by_name = {
        entry["name"]: entry for entry in whole["system"]["models"]
    }  # the last task of a name: the one after detection
    for entry in by_name.values():
        rates = [
            rate
            for rate in [*whole["failure_to_enrol"], *whole["error_rates"]]
            if rate["model"] == entry["name"] and rate["value"] is not None
        ]
        if not rates:
            continue
        results.append(
            {
                "task": {"type": TASKS.get(entry["task"], "other"), "name": ", ".join(whole["tasks"])},
                "dataset": {"type": checked(dataset) if dataset else slug(named), "name": named},
                "metrics": [metric_of_rate(rate) for rate in rates],
            }
        )
    return "---\n" + yaml_of({"model-index": [{"name": ", ".join(by_name), "results": results}]}) + "---\n"


def metric_of_rate(rate: Mapping[str, Any]) -> dict[str, Any]:
    """One rate as a metric: its value, and in `args` the group, the threshold, the counts and the interval."""
    group = " ".join(rate["group"].values()) or "everybody"
    at = "" if rate["threshold"] is None else f" at threshold {score(rate['threshold'])}"
    return {
        "type": rate["metric"],
        "value": rate["value"],
        "name": f"{title_of(rate['metric'])}, {group}{at}",
        "args": {
            "group": dict(rate["group"]),
            **{
                name: rate[name]
                for name in ("threshold", "errors", "trials", "subjects", "low", "high", "level", "method")
            },
        },
    }


def eval_results(run: Run, whole: Mapping[str, Any], dataset: str | None, metric: str | None) -> str:
    """A file for `.eval_results/`: one rate for all people at the first threshold, because the format has no groups.

    Raises
    ------
    SettingError : the data set id is missing, or the run has no such rate for all people
    """
    if dataset is None:
        raise SettingError("--format hugging-face-results needs --dataset ORGANISATION/NAME, the benchmark on the Hub")
    chosen = metric or headline_metric(run)
    found = [
        rate
        for rate in [*whole["failure_to_enrol"], *whole["error_rates"]]
        if rate["metric"] == chosen and not rate["group"] and rate["value"] is not None
    ]
    if not found:
        raise SettingError(f"metric {chosen[:64]!a}: the run has no such rate for all people")
    # One number per data set: the rate at the first threshold of the run.
    date = {"date": run.record.date} if run.record.date else {}
    return yaml_of([{"dataset": {"id": checked(dataset)}, "value": found[0]["value"], **date}])


def checked(dataset: str) -> str:
    """A checked data set id.

    Raises
    ------
    SettingError : not of the form ORGANISATION/NAME
    """
    if not DATASET.fullmatch(dataset):
        raise SettingError(f"--dataset {dataset[:99]!a} is not an id of the Hub; write ORGANISATION/NAME")
    return dataset


def slug(name: str) -> str:
    """A name as an id: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:96] or "unnamed"


def yaml_of(value: Any, indent: int = 0) -> str:
    """A value as block YAML. Keys and strings are JSON strings, which are valid YAML; undefined numbers are null."""
    pad = " " * indent
    if isinstance(value, Mapping) and value:
        return "".join(f"{pad}{key_of(key)}:{nested(entry, indent)}" for key, entry in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return "".join(f"{pad}-{item(entry, indent)}" for entry in value)
    return f"{pad}{scalar(value)}\n"


def key_of(key: str) -> str:
    """A key, quoted unless it is one plain word."""
    return (
        key
        if re.fullmatch(r"[a-z][a-z_-]*", key)
        and key not in ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
        else json.dumps(key)
    )


def nested(value: Any, indent: int) -> str:
    """The text after a key."""
    if isinstance(value, Mapping | list | tuple) and value:
        return "\n" + yaml_of(value, indent + 2)
    return f" {scalar(value)}\n"


def item(value: Any, indent: int) -> str:
    """The text after a dash: a block starts on the same line."""
    text = yaml_of(value, indent + 2)
    return " " + text.removeprefix(" " * (indent + 2))


def scalar(value: Any) -> str:
    """One value as JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return "null"
    return json.dumps(value, ensure_ascii=True)
