"""The items that ISO/IEC 19795-10 requires to be reported, and what a run lacks of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facegap.store.run import Run


@dataclass(frozen=True)
class Item:
    """One item that the standard requires to be reported. where : key of the document; missing : what the run lacks."""

    item: str
    where: str
    missing: str = ""


def items_of(run: Run, whole: Mapping[str, Any]) -> list[Item]:
    """The items of the standard, and what this run lacks."""
    verifies, throughput = run.matched is not None, whole["throughput"]
    named = run.record.manifest.has_subjects
    required = (
        ("tasks evaluated", "tasks", whole["tasks"], "the run has no task"),
        ("demographic groups", "groups", run.record.groupings, "the run has no groups"),
        (
            "how groups were labelled",
            "groups",
            labels_described(run),
            "the run does not describe the source of the manifest's labels",
        ),
        ("phenotypic measures", "groups", has_phenotype(run), "skin tone was not measured or annotated; add --tone"),
        ("subjects per group", "data", named, "the manifest has no subject column, so each image counts as a person"),
        ("threshold policy", "thresholds", verifies, "nothing is compared, so there is no threshold"),
        (
            "failure to enrol",
            "failure_to_enrol",
            whole["failure_to_enrol"],
            "no detector ran and no prediction could be missing",
        ),
        (
            "shifts in comparison score",
            "score_shifts",
            whole["score_shifts"],
            "nothing is compared, so there are no scores",
        ),
        ("recognition error rates", "error_rates", verifies, "nothing is compared; see the rates of the classifier"),
        ("throughput", "throughput", throughput["overall"], "no model was timed"),
        (
            "throughput by group",
            "throughput",
            throughput["by_group"],
            "groups were not timed; repeat the audit with this version",
        ),
        ("statistical uncertainty", "uncertainty", True, ""),
        (
            "identification error rates",
            "error_rates",
            run.searched is not None,
            "no gallery was searched; audit with --identify",
        ),
    )
    return [Item(item, where, "" if there else missing) for item, where, there, missing in required]


def labels_described(run: Run) -> bool:
    """Whether the run states who or what assigned the labels of its groups; always true for labels that it joined itself."""
    used = {name for grouping in run.record.groupings for name in grouping}
    return bool(used) and used <= set(run.record.label_columns)


def has_phenotype(run: Run) -> bool:
    """Whether the groups include measured or annotated skin tone."""
    return any(name.startswith(("measured_", "annotated_")) for grouping in run.record.groupings for name in grouping)
