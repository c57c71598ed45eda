"""What a person reads, as plain tables of text: the terminal and the page print the same ones.

Labels and names come from outside; `clean` takes the terminal's escapes out here, the page escapes HTML itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from facegap.derive.groupings import Grouping, attribute_columns
from facegap.derive.identification import METRICS as SEARCH_METRICS
from facegap.derive.verification import METRICS as PAIR_METRICS
from facegap.report.text import clean, interval, milliseconds, number, percent, score
from facegap.statistics.effective import EXACT_PAIRS
from facegap.statistics.intervals import clopper_pearson
from facegap.store.run import Run
from facegap.types import ANY, Group

METRIC_TITLES = {
    "fta": "failure to acquire (FTA): no usable face",
    "no_answer_rate": "no answer",
    "error_rate_answered": "wrong, of those answered",
    "error_rate_all": "wrong or no answer, of all",
    "age_error_over_5": "age off by more than 5 years",
    "fmr": "falsely matched (FMR)",
    "fnmr": "falsely refused (FNMR)",
    "gfar": "falsely matched, of all pairs (GFAR)",
    "gfrr": "refused or lost, of all pairs (GFRR)",
    "fnir": "mate not found (FNIR)",
    "fpir": "false alarm (FPIR)",
}
MOST_REASONS = 8  # named one by one; predictions.parquet holds all
ONLY = ", only"  # before a number of subjects that is too small to rank


@dataclass(frozen=True)
class TextTable:
    """A table to be printed; `dimmed` are rows of groups that are too small to rank."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    dimmed: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a frame as dicts by column."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def groupings_of(run: Run) -> list[Grouping]:
    """The groupings of --by, each in its own order: race x gender is not gender x race."""
    return [tuple(grouping) for grouping in run.record["groupings"]]


def group_of(row: Mapping[str, Any], groupings: Sequence[Grouping], prefix: str = "") -> Group:
    """The group that a row of RATES speaks of, its attributes in the order of its grouping.

    prefix : `other_` for the second group of a cell of the cross-group matrix
    """
    split = {name for name in attribute_columns(groupings) if row[f"{prefix}{name}"] != ANY}
    grouping: Grouping = next((grouping for grouping in groupings if set(grouping) == split), ())
    return Group(tuple((name, str(row[f"{prefix}{name}"])) for name in grouping))


def grouping_of(group: Group) -> tuple[str, ...]:
    """Names of the attributes that a group is split by."""
    return tuple(name for name, _ in group.attributes)


def own_rates(run: Run) -> pd.DataFrame:
    """RATES without the cells of the cross-group matrix, with a column `grouping` and a column `group`."""
    groupings = groupings_of(run)
    inside = run.rates[~across_groups(run.rates, attribute_columns(groupings))]
    groups = [group_of(row, groupings) for row in records(inside)]
    return inside.assign(
        group=pd.Series(groups, index=inside.index, dtype=object),
        grouping=pd.Series([grouping_of(group) for group in groups], index=inside.index, dtype=object),
    )


def across_groups(rates: pd.DataFrame, attributes: Sequence[str]) -> pd.Series[bool]:
    """Which rows of RATES are cells of the cross-group matrix."""
    other = [f"other_{name}" for name in attributes if f"other_{name}" in rates.columns]
    return (rates[other] != "").any(axis=1) if other else pd.Series(data=False, index=rates.index)


def rate_tables(run: Run) -> list[TextTable]:
    """Per grouping, everybody first: a table of the rates of single images, and one of comparisons per threshold."""
    rates = own_rates(run)
    rates = rates[~rates["metric"].isin(SEARCH_METRICS)]  # those have tables of their own
    tables = []
    for grouping in [(), *groupings_of(run)]:
        title = " x ".join(grouping) or "everybody"
        of_grouping = rates[[entry == grouping for entry in rates["grouping"]]]
        for threshold, found in of_grouping.groupby("threshold", sort=False, dropna=False):
            at = "" if math.isnan(float(str(threshold))) else f", threshold {score(float(str(threshold)))}"
            tables.append(rate_table(found, title + at, run.record["min_subjects"]))
    return tables


def rate_table(rates: pd.DataFrame, title: str, min_subjects: int) -> TextTable:
    """Rates of one grouping; each cell is value, interval and errors / trials. Groups that are too small are dimmed."""
    metrics = list(dict.fromkeys(rates["metric"]))
    by_group: dict[Group, dict[str, Any]] = {}
    for row in records(rates):
        by_group.setdefault(row["group"], {})[row["metric"]] = row
    rows, dimmed = [], set()
    for k, (group, found) in enumerate(by_group.items()):
        subjects = max(int(row["subjects"]) for row in found.values())
        cells = (cell(found[metric]) + people_behind(found[metric], subjects, min_subjects) for metric in metrics)
        rows.append((clean(group), str(subjects), *cells))
        if subjects < min_subjects:
            dimmed.add(k)
    columns = ("group", "subjects", *(METRIC_TITLES.get(metric, metric) for metric in metrics))
    notes = [f"Threshold: {clean(source)}." for source in dict.fromkeys(rates["threshold_from"]) if source]
    if any(ONLY in text for row in rows for text in row) or dimmed:
        notes.append(f"Groups of fewer than {min_subjects} subjects are shown but never ranked.")
    return TextTable(title, columns, tuple(rows), frozenset(dimmed), (*notes, *no_error_notes(records(rates))))


def people_behind(row: Mapping[str, Any], subjects: int, min_subjects: int) -> str:
    """How many people a rate rests on where these are fewer than the group has: those with a mate, for one."""
    own = int(row["subjects"])
    if own == subjects or not row["trials"] or row["metric"] not in PAIR_METRICS:
        return ""
    return f"{ONLY} {own} subjects" if own < min_subjects <= subjects else f", {own} subjects"


def cell(row: Mapping[str, Any]) -> str:
    """One rate: value, interval, errors / trials; and without any false match the limit that is too sure of itself."""
    text = f"{percent(row['value'])} {interval(row['low'], row['high'])} {row['errors']}/{row['trials']}"
    if not is_without_error(row):
        return text
    return f"{text} (pairs alone: {percent(clopper_pearson(0, row['trials'], level=row['level'])[1])})"


def is_without_error(row: Mapping[str, Any]) -> bool:
    """Whether a rate over pairs of people has no error, so that its interval counts disjoint pairs of people."""
    return bool(row["method"] == EXACT_PAIRS and row["errors"] == 0)


def no_error_notes(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What the two limits of a rate without error are, where there is one."""
    if not any(is_without_error(row) for row in rows):
        return ()
    return (
        "Without any false match the interval takes disjoint pairs of subjects as trials, and holds; 'pairs alone' is "
        "the upper limit if all pairs were independent, which they are not.",
    )


def outcome_table(run: Run) -> TextTable:
    """Every row of the manifest, by what became of it."""
    counts = run.faces["outcome"].value_counts()
    rows = tuple((str(outcome), str(count)) for outcome, count in counts.items())
    excluded = run.record["manifest"]["excluded_by_where"]
    notes = [f"{excluded} rows of the manifest were left out by --where."] if excluded else []
    if "detect" not in run.record["models"]:
        notes.append("No detector ran: ok says that nothing was lost before the black box, and nothing about a face.")
    if sent := run.record.get("sent"):
        notes.append(f"{sent['images']} images were sent to {clean(sent['recipient'])}, in {sent['calls']} calls.")
    return TextTable(
        "what became of the images", ("outcome", "images"), (*rows, ("all", str(len(run.faces)))), notes=tuple(notes)
    )


def prediction_table(run: Run) -> TextTable:
    """Every row by what the classifier made of it."""
    counts = run.predictions["outcome"].value_counts()
    rows = tuple((str(outcome), str(count)) for outcome, count in counts.items())
    whole = (*rows, ("all", str(len(run.predictions))))
    return TextTable("answers of the classifier", ("outcome", "images"), whole, notes=tuple(answer_notes(run)))


def answer_notes(run: Run) -> list[str]:
    """Why images of every label have no answer; the commonest reasons first."""
    silent = run.predictions[run.predictions["prediction"] == ""]
    reasons = silent["detail"].replace("", "no reason given").value_counts()
    said = [f"{clean(reason)} ({count})" for reason, count in reasons.head(MOST_REASONS).items()]
    if len(reasons) > MOST_REASONS:
        said.append(f"other reasons ({int(reasons.iloc[MOST_REASONS:].sum())})")
    return [f"Without an answer: {'; '.join(said)}."] if said else []


def age_text_table(run: Run) -> TextTable:
    """Mean absolute error of age by group."""
    groupings = groupings_of(run)
    rows = tuple(
        (
            clean(group_of(row, groupings)),
            str(row["trials"]),
            str(row["subjects"]),
            number(row["mean_absolute_error_years"]),
            f"[{number(row['low'])}, {number(row['high'])}]",
        )
        for row in records(run.age)
    )
    return TextTable("error of age, years", ("group", "images", "subjects", "mean", "interval"), rows)


def timing_table(run: Run) -> TextTable:
    """Milliseconds per image of each stage."""
    rows = tuple(
        (stage, str(spent["images"]), milliseconds(spent["median_ms"]), milliseconds(spent["p95_ms"]))
        for stage, spent in run.record["timing"]["per_image"].items()
        if spent["images"]
    )
    used = run.record["execution"]
    note = (
        f"{used['device_name']}; {', '.join(used['providers_used'])}; {used['workers']} workers, batch {used['batch']}"
    )
    return TextTable("time per image", ("stage", "images", "median", "p95"), rows, notes=(clean(note),))


def failed_table(run: Run) -> TextTable:
    """Images without a usable face, by name; only shown on --include-ids."""
    failed = run.faces[run.faces["outcome"] != "ok"]
    rows = tuple((clean(row["image"]), row["outcome"], clean(row["detail"])) for row in records(failed))
    return TextTable("images without a usable face", ("image", "outcome", "detail"), rows)
