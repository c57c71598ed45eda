"""The finding of a run in two sentences: who the model errs on most and least, and what that difference is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from facegap.derive.groupings import Grouping
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.report.groups import ratio_text
from facegap.report.tables import groupings_of, own_rates, records
from facegap.report.text import clean, hundredfold, number, p_value, percent, score
from facegap.report.worst_best import least_known
from facegap.statistics.gaps import RATIO_METRICS
from facegap.statistics.verdicts import GAP, WITHIN
from facegap.statistics.verdicts import UNKNOWN as UNDECIDED
from facegap.store.run import Run

# What a rate says: "{model} {verb} {rate} of {of what} {group}"; the verb ends in the word that the second group takes.
SAID: Mapping[str, tuple[str, str]] = {
    "error_rate_all": ("gives a wrong answer or none for", "the images of"),
    "fmr": ("takes two different people for one in", "the pairs within"),
    "fnmr": ("refuses people as themselves in", "the pairs of photographs of"),
    "fnir": ("does not find the person in the gallery in", "the searches for"),
    "fpir": ("names somebody although the person is not in the gallery in", "the searches for"),
    "no_answer_rate": ("gives no answer for", "the images of"),
    "fta": ("finds no usable face in", "the images of"),
}
IN_DOUBT = {
    GAP: "there is a gap",
    WITHIN: "there is no gap larger than the margin",
    UNDECIDED: "these people cannot settle whether the groups differ",
}
JOINED = ("measured_", "annotated_")  # columns of tone that were joined to the manifest
NOTHING = "No two groups were large enough to be compared."


@dataclass(frozen=True)
class Contrast:
    """The worst and the best group of one family: rows of RATES, and the row of GAPS between them (None if untested).

    widest : the group whose rate is known least
    """

    metric: str
    grouping: Grouping
    worst: Mapping[str, Any]
    best: Mapping[str, Any]
    widest: Mapping[str, Any]
    gap: Mapping[str, Any] | None
    verdicts: Mapping[str, int]


def headline(run: Run) -> tuple[str, ...]:
    """Two sentences for what the run is about first; where no two groups can be compared that, and the rate of everybody."""
    found = contrast(run)
    if found is None:
        return (NOTHING, *of_everybody(run))
    return first_sentence(found), second_sentence(found)


def of_everybody(run: Run) -> tuple[str, ...]:
    """The rate of everybody for what the run is about first; nothing where there was no trial at all."""
    rates = own_rates(run)
    whole = records(rates[[entry == () for entry in rates["grouping"]]])
    row = next((row for metric in SAID for row in whole if row["metric"] == metric and row["trials"]), None)
    if row is None:
        return ()
    verb, of_what = SAID[row["metric"]]
    return (
        f"{at(row)}{clean(row['model'])} {verb} {percent(row['value'], 1)} of {of_what} everybody ({counts(row)}).",
    )


def contrast(run: Run) -> Contrast | None:
    """The contrast to tell first: the first metric of SAID with two ranked groups, by the grouping with most attributes."""
    rates = own_rates(run)
    points = run.record.get("operating", [])
    for metric in SAID:
        rows = rates[
            (rates["metric"] == metric) & (rates["subjects"] >= run.record["min_subjects"]) & rates["value"].notna()
        ]
        if points and metric in ("fmr", "fnmr"):
            rows = rows[rows["threshold"] == points[0]["threshold"]]
        elif metric in ("fnir", "fpir"):
            rows = rows[rows["threshold_from"] == rows["threshold_from"].iloc[0]] if len(rows) else rows
        for grouping in sorted(groupings_of(run), key=len, reverse=True):
            cells = [
                row for row in records(rows[[entry == grouping for entry in rows["grouping"]]]) if is_labelled(row)
            ]
            if len(cells) >= 2:
                return between(run, metric, grouping, cells)
    return None


def is_labelled(row: Mapping[str, Any]) -> bool:
    """Whether all labels of the group are known."""
    return UNKNOWN not in dict(row["group"].attributes).values()


def between(run: Run, metric: str, grouping: Grouping, cells: list[dict[str, Any]]) -> Contrast:
    """The contrast of the worst and the best of some cells."""
    worst, best = (pick(cells, key=lambda row: float(row["value"])) for pick in (max, min))
    family = family_of(run.gaps, metric, worst)
    names = {str(worst["group"]), str(best["group"])}
    rows = [row for row in records(family) if {row["group_a"], row["group_b"]} == names]
    gap = oriented(rows[0], str(worst["group"])) if rows and len(names) == 2 else None
    verdicts = {str(k): int(n) for k, n in family["verdict"].value_counts().items()}
    return Contrast(metric, grouping, worst, best, least_known(cells), gap, verdicts)


def family_of(gaps: pd.DataFrame, metric: str, row: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of GAPS that a row of RATES belongs to."""
    if not len(gaps):
        return gaps.assign(verdict="")
    same = gaps["threshold"].isna() if math.isnan(row["threshold"]) else gaps["threshold"] == row["threshold"]
    named = gaps["family"].str.split(",").str[0] == "*".join(row["grouping"])
    source = gaps["threshold_from"] == row["threshold_from"] if "threshold_from" in gaps.columns else same
    return gaps[(gaps["metric"] == metric) & named & same & source]


def oriented(gap: Mapping[str, Any], worst: str) -> dict[str, Any]:
    """The gap as the worse group less (or over) the better one."""
    turn = 1 if gap["group_a"] == worst else -1
    low, high = sorted((turn * gap["difference_low"], turn * gap["difference_high"]))
    return {
        **gap,
        "difference": turn * gap["difference"],
        "low": low,
        "high": high,
        "ratio_said": ratio_text(gap, turn),
    }


def first_sentence(found: Contrast) -> str:
    """Who the model errs on most and least, each with n and interval."""
    verb, of_what = SAID[found.metric]
    model = f"{at(found.worst)}{clean(found.worst['model'])}"
    if found.worst["value"] == found.best["value"]:
        alike = f"{percent(found.worst['value'], 1)} of {of_what} every group large enough to rank"
        return f"{model} {verb} {alike}; least is known of {name(found.widest)} ({counts(found.widest)})."
    worst, best = (
        f"{percent(row['value'], 1)} of {of_what} {name(row)} ({counts(row)})" for row in (found.worst, found.best)
    )
    return f"{model} {verb} {worst}, and {verb.split()[-1]} {best}."


def at(row: Mapping[str, Any]) -> str:
    """The beginning of a sentence on a rate that has a threshold."""
    return "" if math.isnan(row["threshold"]) else f"At the threshold {score(row['threshold'])}, "


def name(row: Mapping[str, Any]) -> str:
    """A group as it is called in a sentence, in quotes, as labels can be any text; of a tone who or what gave it."""
    given = [clean(column).replace("_", " ") for column, _ in row["group"].attributes if column.startswith(JOINED)]
    return f"“{clean(row['group'])}”" + (f" by {' and '.join(given)}" if given else "")


def counts(row: Mapping[str, Any]) -> str:
    """Errors, trials, people and interval of a rate."""
    level = f"{100 * row['level']:g} % interval {hundredfold(row['low'], 1)} to {hundredfold(row['high'], 1)} %"
    level = "no interval" if math.isnan(row["low"]) else level
    return f"{row['errors']:,} of {row['trials']:,}, {row['subjects']:,} people, {level}"


def second_sentence(found: Contrast) -> str:
    """What the difference is worth: its size with interval, its verdict, and those of all pairs looked at with it."""
    gap = found.gap
    if gap is None or found.worst["value"] == found.best["value"]:
        return (
            f"Of all pairs of groups, {tally(found.verdicts)}." if found.verdicts else "No pair of groups was tested."
        )
    if found.metric in RATIO_METRICS:
        size = f"That is a ratio of {gap['ratio_said']}"
    else:
        ends = f"{hundredfold(gap['low'], 1)} to {hundredfold(gap['high'], 1)}"
        size = f"That is a difference of {hundredfold(gap['difference'], 1)} points ({ends})"
    pairs = sum(found.verdicts.values())
    among = f" among {pairs} pairs of groups that were looked at together" if pairs > 1 else ""
    others = f"; of these, {tally(found.verdicts)}" if pairs > 1 else ""
    return f"{size}, {worth(gap)} (p {sign(gap['p_adjusted'])}{among}){doubted(gap)}{others}."


def worth(gap: Mapping[str, Any]) -> str:
    """The verdict in words."""
    margin = f"a ratio of {gap['margin']:g}" if gap["metric"] in RATIO_METRICS else f"{100 * gap['margin']:g} points"
    if gap["verdict"] == GAP:
        return "a gap that chance alone does not explain"
    if gap["verdict"] == WITHIN:
        return f"no gap larger than {margin}" + (", though not zero" if gap["differs"] else "")
    needed = gap["subjects_needed"]
    settled = "" if math.isnan(needed) else f"; to find {margin}, about {number(needed, 0)} people per group are needed"
    return f"but so few people cannot settle whether the groups differ{settled}"


def doubted(gap: Mapping[str, Any]) -> str:
    """What is left of the verdict where labels were drawn by their probabilities; nothing where they are not in doubt."""
    if not gap.get("label_draws", 0):
        return ""
    if gap["label_verdict"] == gap["verdict"]:
        return "; the doubt about the labels does not change that"
    return f"; but with the doubt about the labels counted in, {IN_DOUBT[gap['label_verdict']]}"


def sign(p: float) -> str:
    """A p value with its sign."""
    said = p_value(p)
    return said if said.startswith("<") else f"= {said}"


def tally(verdicts: Mapping[str, int]) -> str:
    """How many pairs got which verdict."""
    words = {GAP: "show a gap", WITHIN: "show none larger than the margin", UNDECIDED: "cannot be told from the data"}
    return ", ".join(f"{verdicts[verdict]} {said}" for verdict, said in words.items() if verdicts.get(verdict))
