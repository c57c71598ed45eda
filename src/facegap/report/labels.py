"""What doubt about labels of tone does to the gaps, as tables of text, and how many rows have which label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from facegap.report.groups import reciprocal
from facegap.report.tables import METRIC_TITLES, TextTable, records
from facegap.report.text import NO_NUMBER, clean, interval, number, p_value, percent, score
from facegap.statistics.gaps import RATIO_METRICS
from facegap.statistics.verdicts import sentence
from facegap.store.run import Run

ALPHA = 0.05  # of a family, as in `gap_family`
FIRST_METRICS = ("error_rate_all", "error_rate_answered", "age_error_over_5", "no_answer_rate")
DRAWN_NOTES = (
    "Each draw gives every person a label by its probability and counts the stored answers anew. The interval adds what the "
    "draws differ by (Rubin's rules) and holds both the gap of the labels and the mean of the draws.",
    "Drawn labels blur groups, so between tones they show less of a gap. Left: the share of a gap between people of the two "
    "groups that is expected to be left by the labels used, if they err as their probabilities say and independently of the "
    "model. True groups: how far the gap may reach if that much was left. No estimate was corrected by it; 'no gap larger "
    "than' is said only if all of that lies inside the margin.",
    "If labels are wrong more often just where the model errs (dark or blurred photographs), the gap may be off either way, and "
    "nothing here shows it.",
)
TRUST_NOTE = (
    "At a trust of 80 % every fifth person's label is drawn anew from how often each label occurs. The verdict holds for as "
    "long as the labels can be trusted that far; how far that is, the table cannot know. All gaps are in label_trust.csv."
)


def label_tables(run: Run) -> list[TextTable]:
    """Tables on joined labels: who has which, the gaps under drawn labels, the gaps as labels are trusted less."""
    if not run.record.get("labels"):
        return []
    counts = counts_table(run)
    return [*([counts] if counts.rows else []), *doubt_tables(run)]


def doubt_tables(run: Run) -> list[TextTable]:
    """The gaps under drawn labels, and as labels are trusted less; nothing for a run without joined labels."""
    if not run.record.get("labels"):
        return []
    doubted = [doubt_table(run)] if (run.gaps["label_draws"] > 0).any() else []
    return [*doubted, *trust_tables(run)]


def counts_table(run: Run) -> TextTable:
    """Rows of the manifest by label, and why others have none, for the columns that the run is split by."""
    used = {name for grouping in run.record["groupings"] for name in grouping}
    columns = {name: stated for name, stated in run.record["labels"]["columns"].items() if name in used}
    rows = [
        (clean(name), clean(label), str(count))
        for name, stated in columns.items()
        for label, count in [
            *stated["rows"].items(),
            *((f"none: {reason}", count) for reason, count in stated["without_label"].items()),
        ]
    ]
    drawn = {
        name: stated["without_label_but_drawn"]
        for name, stated in columns.items()
        if stated["doubt"] == "known" and stated["without_label_but_drawn"]
    }
    notes = [
        f"{clean(name)}: {count} rows without a label have probabilities. They are in no gap by labels and in every draw."
        for name, count in drawn.items()
    ]
    return TextTable("labels of skin tone", ("column", "label", "rows"), tuple(rows), notes=tuple(notes))


def doubt_table(run: Run) -> TextTable:
    """A line per family: its widest gap by the labels as they are, and under drawn labels."""
    known = run.gaps[run.gaps["label_draws"] > 0]
    rows = tuple(
        doubt_line(family) for _, family in known.groupby(["family", "metric", "threshold"], sort=False, dropna=False)
    )
    columns = (
        "groups",
        "metric",
        "worst against best",
        "by the labels",
        "labels drawn",
        "left",
        "true groups",
        "p (Holm)",
        "verdict",
    )
    draws = f"{int(known['label_draws'].iloc[0])} draws, seed {run.record['labels']['seed']}."
    return TextTable("the same gaps if labels are doubted", columns, rows, notes=(draws, *DRAWN_NOTES))


def doubt_line(family: pd.DataFrame) -> tuple[str, ...]:
    """The widest gap of one family with and without doubt."""
    row = widest(family, "difference")
    turn, name = turned(row, "difference")
    is_ratio = row["metric"] in RATIO_METRICS
    differs = bool(row["label_p_adjusted"] <= ALPHA)
    doubted = sentence(str(row["label_verdict"]), float(row["margin"]), is_ratio=is_ratio, differs=differs)
    at = "" if np.isnan(row["threshold"]) else f" at {score(row['threshold'])}"
    return (
        clean(row["family"]),
        f"{METRIC_TITLES.get(row['metric'], row['metric'])}{at}",
        name,
        ratio(row, turn, "ratio") if is_ratio else span(row, turn, "difference"),
        ratio(row, turn, "label_ratio") if is_ratio else span(row, turn, "label_difference"),
        percent(row["label_attenuation"], 0),
        NO_NUMBER if is_ratio else outer(row, turn, "label_outer"),
        p_value(float(row["label_p_adjusted"])),
        doubted,
    )


def trust_tables(run: Run) -> list[TextTable]:
    """Per grouping the widest gap of its first metric at every level of trust."""
    trust = run.extra.get("label_trust.csv")
    if trust is None:
        return []
    found = []
    for family, rows in trust.groupby("family", sort=False):
        metric = next((name for name in FIRST_METRICS if (rows["metric"] == name).any()), str(rows["metric"].iloc[0]))
        found.append(trust_table(str(family), metric, rows[rows["metric"] == metric]))
    return found


def trust_table(family: str, metric: str, rows: pd.DataFrame) -> TextTable:
    """The gap that is widest by the labels as they are, at every level of trust."""
    row = widest(rows[rows["trust"] == rows["trust"].max()], "difference")
    turn, name = turned(row, "difference")
    same = rows[(rows["group_a"] == row["group_a"]) & (rows["group_b"] == row["group_b"])]
    lines = tuple(
        (
            percent(found["trust"], 0),
            span(found, turn, "difference"),
            percent(found["attenuation"], 0),
            outer(found, turn, "outer"),
            p_value(float(found["p_adjusted"])),
            clean(found["verdict"]),
            verdict_counts(rows, float(found["trust"])),
        )
        for found in records(same)
    )
    title = (
        f"{clean(family).replace('*', ' x ')}: {METRIC_TITLES.get(metric, metric)}, {name}, if labels are trusted less"
    )
    columns = ("trust", "difference", "left", "true groups", "p (Holm)", "verdict", "all pairs")
    return TextTable(title, columns, lines, notes=(TRUST_NOTE,))


def verdict_counts(rows: pd.DataFrame, trust: float) -> str:
    """How many gaps of a family get which verdict at one trust."""
    counts = rows.loc[rows["trust"] == trust, "verdict"].value_counts()
    return "; ".join(f"{count} {clean(verdict)}" for verdict, count in counts.items())


def widest(rows: pd.DataFrame, column: str) -> dict[str, Any]:
    """The row with the widest gap; the first where none is known."""
    return records(rows)[int(np.argmax(rows[column].abs().fillna(-1.0).to_numpy()))]


def turned(row: Mapping[str, Any], column: str) -> tuple[int, str]:
    """1 or -1, so that the worse group comes first, and the words for the pair."""
    turn = -1 if row[column] < 0 else 1
    first, second = ("a", "b") if turn == 1 else ("b", "a")
    alike = not abs(row[column]) > 0
    return turn, NO_NUMBER if alike else f"{clean(row[f'group_{first}'])} against {clean(row[f'group_{second}'])}"


def outer(row: Mapping[str, Any], turn: int, column: str) -> str:
    """An interval of differences, the worse group first."""
    return interval(*sorted((turn * row[f"{column}_low"], turn * row[f"{column}_high"])))


def ratio(row: Mapping[str, Any], turn: int, column: str) -> str:
    """The ratio of the worse group to the better one with its interval."""
    value, low, high = row[column], row[f"{column}_low"], row[f"{column}_high"]
    if turn < 0:
        value, low, high = (reciprocal(bound) for bound in (value, high, low))
    return f"{number(value)} [{number(low)}, {number(high)}]"


def span(row: Mapping[str, Any], turn: int, column: str) -> str:
    """A difference with its interval, the worse group first."""
    low, high = sorted((turn * row[f"{column}_low"], turn * row[f"{column}_high"]))
    return f"{percent(turn * row[column])} {interval(low, high)}"
