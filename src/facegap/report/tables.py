"""What a person reads, as plain tables of text: the terminal and the page print the same ones.

Labels and names come from outside; `clean` takes the terminal's escapes out here, the page escapes HTML itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from facegap.derive.terms import attribute_columns
from facegap.report.text import clean, interval, milliseconds, number, p_value, percent
from facegap.statistics.gaps import RATIO_METRICS
from facegap.statistics.verdicts import sentence
from facegap.store import Run
from facegap.types import ANY, Group

METRIC_TITLES = {
    "fte": "no usable face (fte)",
    "error_rate_answered": "wrong, of those answered",
    "error_rate_all": "wrong or no answer, of all",
    "age_error_over_5": "age off by more than 5 years",
}


@dataclass(frozen=True)
class TextTable:
    """A table to be printed; `dimmed` are rows of groups that are too small to rank."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    dimmed: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


def group_of(row: pd.Series, attributes: Sequence[str]) -> Group:
    """The group that a row of RATES speaks of."""
    return Group(tuple((name, str(row[name])) for name in attributes if row[name] != ANY))


def term_of(group: Group) -> tuple[str, ...]:
    """Names of the attributes that a group is split by."""
    return tuple(name for name, _ in group.attributes)


def rate_tables(run: Run) -> list[TextTable]:
    """One table for everybody and one per term: a line per group, a column per metric."""
    attributes = attribute_columns([tuple(term) for term in run.record["terms"]])
    groups = [group_of(row, attributes) for _, row in run.rates.iterrows()]
    tables = []
    for term in [(), *(tuple(term) for term in run.record["terms"])]:
        chosen = run.rates[[term_of(group) == term for group in groups]]
        tables.append(rate_table(chosen, attributes, " x ".join(term) or "everybody", run.record["min_subjects"]))
    return tables


def rate_table(rates: pd.DataFrame, attributes: Sequence[str], title: str, min_subjects: int) -> TextTable:
    """Rates of one term; each cell is value, interval and errors / trials."""
    metrics = list(dict.fromkeys(rates["metric"]))
    by_group: dict[Group, dict[str, Any]] = {}
    for _, row in rates.iterrows():
        by_group.setdefault(group_of(row, attributes), {})[row["metric"]] = row
    rows, dimmed = [], set()
    for k, (group, found) in enumerate(by_group.items()):
        images, subjects = (int(found["fte"][key]) for key in ("trials", "subjects"))
        rows.append((clean(group), str(images), str(subjects), *(cell(found[metric]) for metric in metrics)))
        if subjects < min_subjects:
            dimmed.add(k)
    columns = ("group", "images", "subjects", *(METRIC_TITLES.get(metric, metric) for metric in metrics))
    small = f"Groups of fewer than {min_subjects} subjects are shown but never ranked." if dimmed else ""
    return TextTable(title, columns, tuple(rows), frozenset(dimmed), (small,) if small else ())


def cell(row: pd.Series) -> str:
    """One rate: value, interval, errors / trials."""
    return f"{percent(row['value'])} {interval(row['low'], row['high'])} {row['errors']}/{row['trials']}"


def extremes(run: Run, metric: str) -> list[str]:
    """A sentence per term: the worst and the best group of enough subjects, each with n and interval."""
    attributes = attribute_columns([tuple(term) for term in run.record["terms"]])
    enough = run.rates[
        (run.rates["metric"] == metric)
        & (run.rates["subjects"] >= run.record["min_subjects"])
        & run.rates["value"].notna()
    ]
    sentences = []
    for term in (tuple(term) for term in run.record["terms"]):
        cells = [(group_of(row, attributes), row) for _, row in enough.iterrows()]
        cells = [
            (group, row)
            for group, row in cells
            if term_of(group) == term and "unknown" not in dict(group.attributes).values()
        ]
        if len(cells) < 2:
            continue
        worst, best = (pick(cells, key=lambda entry: float(entry[1]["value"])) for pick in (max, min))
        sentences.append(
            f"{' x '.join(term)}: highest {METRIC_TITLES.get(metric, metric)}: {said(worst)}; lowest: {said(best)}."
        )
    return sentences


def said(entry: tuple[Group, pd.Series]) -> str:
    """A group and its rate in words."""
    group, row = entry
    level = f"{100 * row['level']:.0f} %"
    return (
        f"{clean(group)} {percent(row['value'])} ({row['errors']} of {row['trials']}, {row['subjects']} subjects, "
        f"{level} interval {interval(row['low'], row['high'])})"
    )


def outcome_table(run: Run) -> TextTable:
    """Every row of the manifest, by what became of it."""
    counts = run.faces["outcome"].value_counts()
    rows = tuple((str(outcome), str(count)) for outcome, count in counts.items())
    excluded = run.record["manifest"]["excluded_by_where"]
    notes = (f"{excluded} rows of the manifest were left out by --where.",) if excluded else ()
    return TextTable(
        "what became of the images", ("outcome", "images"), (*rows, ("all", str(len(run.faces)))), notes=notes
    )


def prediction_table(run: Run) -> TextTable:
    """Every row by what the classifier made of it."""
    counts = run.predictions["outcome"].value_counts()
    rows = tuple((str(outcome), str(count)) for outcome, count in counts.items())
    return TextTable("answers of the classifier", ("outcome", "images"), (*rows, ("all", str(len(run.predictions)))))


def age_text_table(run: Run) -> TextTable:
    """Mean absolute error of age by group."""
    attributes = attribute_columns([tuple(term) for term in run.record["terms"]])
    rows = tuple(
        (
            clean(group_of(row, attributes)), str(row["trials"]), str(row["subjects"]),
            number(row["mean_absolute_error_years"]), f"[{number(row['low'])}, {number(row['high'])}]",
        )
        for _, row in run.age.iterrows()
    )  # fmt: skip
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


def gap_table(run: Run) -> TextTable:
    """A line per family: its widest gap, which is that of worst against best, and how many gaps got which verdict."""
    rows = tuple(
        gap_line(family) for _, family in run.gaps.groupby(["family", "metric", "model", "threshold"], sort=False, dropna=False)
    )
    columns = ("groups", "metric", "worst against best", "difference", "errors / trials", "p (Holm)", "verdict", "all pairs")
    tested = "All pairs are in gaps.csv. p is Holm's over the pairs of the family; subjects, not images, are what varies."
    small = f"Groups of fewer than {run.record['min_subjects']} subjects, and rows without a label, are in no pair."
    return TextTable("gaps and verdicts", columns, rows, notes=(tested, small))


def gap_line(family: pd.DataFrame) -> tuple[str, ...]:
    """The widest gap of one family."""
    widest = family["difference"].abs()
    row = family.loc[widest.idxmax() if widest.notna().any() else family.index[0]]
    turn = 1 if not row["difference"] < 0 else -1  # the worse group first
    first, second = ("a", "b") if turn == 1 else ("b", "a")
    low, high = sorted((turn * row["difference_low"], turn * row["difference_high"]))
    counts = family["verdict"].value_counts()
    ratio = row["metric"] in RATIO_METRICS
    return (
        clean(row["family"]),
        METRIC_TITLES.get(row["metric"], row["metric"]),
        f"{clean(row[f'group_{first}'])} against {clean(row[f'group_{second}'])}",
        f"{percent(turn * row['difference'])} {interval(low, high)}",
        f"{row[f'errors_{first}']}/{row[f'trials_{first}']} against {row[f'errors_{second}']}/{row[f'trials_{second}']}",
        p_value(float(row["p_adjusted"])),
        sentence(str(row["verdict"]), float(row["margin"]), is_ratio=ratio, differs=bool(row["differs"])),
        "; ".join(f"{count} {clean(verdict)}" for verdict, count in counts.items()),
    )


def failed_table(run: Run) -> TextTable:
    """Images without a usable face, by name; only shown on --include-ids."""
    failed = run.faces[run.faces["outcome"] != "ok"]
    rows = tuple((clean(row["image"]), row["outcome"], clean(row["detail"])) for _, row in failed.iterrows())
    return TextTable("images without a usable face", ("image", "outcome", "detail"), rows)


def all_tables(run: Run, *, view: str | None, include_ids: bool) -> list[TextTable]:
    """The tables of a run in the order in which they are read."""
    found = [outcome_table(run)]
    if run.record["classes"]:
        found.append(prediction_table(run))
    found += rate_tables(run)
    if len(run.gaps):
        found.append(gap_table(run))
    if len(run.age):
        found.append(age_text_table(run))
    if include_ids:
        found.append(failed_table(run))
    return [*found, timing_table(run)]


def findings(run: Run) -> list[str]:
    """The worst and the best group of every term, for the metric that the audit is about."""
    metric = "error_rate_all" if run.record["classes"] else "fte"
    return extremes(run, metric)
