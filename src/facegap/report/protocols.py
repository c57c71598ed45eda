"""The results of a benchmark protocol as a text table: one row per list, one column per number and rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from facegap.derive.metrics import FMR, FNIR, FNMR, FPIR
from facegap.report.rows.comparisons import table
from facegap.report.rows.rates import RateRow, rate_rows
from facegap.report.tables import TextTable
from facegap.report.text import NO_NUMBER, clean, errors_of_trials, interval, level_text, percent, score
from facegap.report.wording import ALL_SUBJECTS
from facegap.store.run import Run
from facegap.types import Group

PROTOCOL = "protocol.csv"
RULES = {"insightface": "InsightFace", "facex-zoo": "FaceX-Zoo", "strict": "strict"}
Row = Mapping[str, Any]


def protocol_tables(run: Run) -> list[TextTable]:
    """The results of the protocol of a run; none without one."""
    told, rows = run.record.protocol, table(run, PROTOCOL)
    if told is None or not rows:
        return []
    headings = list(dict.fromkeys(heading(row) for row in rows))
    parts = list(dict.fromkeys(row["part"] for row in rows))
    cells = {(row["part"], heading(row)): cell(row) for row in rows}
    body = tuple(
        (
            clean(part) or ("all searches" if run.searched is not None else "all pairs"),
            *(cells.get((part, name), NO_NUMBER) for name in headings),
        )
        for part in parts
    )
    printed = TextTable(f"{clean(told.title)}: results of the protocol", ("list", *headings), body, notes=notes(run))
    return [printed, *own_tables(run)]


def own_tables(run: Run) -> list[TextTable]:
    """FMR and FNMR of the same pairs at the first threshold, for all subjects and for each group; none without a threshold."""
    told = run.record.identification
    points = run.record.operating if told is None else told.operating
    if not points:
        return []
    point = points[0]
    metrics = (FMR, FNMR) if told is None else (FPIR, FNIR)
    wanted = "" if told is None else f"rank {max(told.ranks)};"
    cells = {
        (row.group, row.metric): row
        for row in rate_rows(run)
        if row.threshold == point.threshold and (row.metric != FNIR.name or wanted in row.threshold_from)
    }
    groups = list(dict.fromkeys(group for group, name in cells if name in (metrics[0].name, metrics[1].name)))
    body = tuple(
        (group_text(group), *(rate_text(cells.get((group, metric.name))) for metric in metrics)) for group in groups
    )
    level, least = level_text(run.record.level), run.record.min_subjects
    what = "pairs" if told is None else "searches"
    where = "set on other people" if point.by_folds else f"of {score(point.threshold)}"
    small = any(not row.reliable for row in cells.values())
    return [
        TextTable(
            f"the same {what} at a threshold {where}",
            ("group", *(f"{metric.name.upper()}, {level} interval" for metric in metrics)),
            body,
            notes=(f"* fewer than {least} effective subjects: shown but not ranked.",) if small else (),
        )
    ]


def group_text(group: Group) -> str:
    """The name of a group, or of all subjects."""
    return clean(group) if group.attributes else ALL_SUBJECTS


def rate_text(row: RateRow | None) -> str:
    """A rate with its interval and counts; a dash without comparisons."""
    if row is None or not row.rate.trials:
        return NO_NUMBER
    rate = row.rate
    shown = f"{percent(rate.value)} {interval(rate.low, rate.high)} {errors_of_trials(rate.errors, rate.trials)}"
    return shown if row.reliable else f"{shown} *"


def heading(row: Row) -> str:
    """The number and its rule."""
    rule = RULES[row["rule"]]
    if row["number"] == "accuracy":
        return f"accuracy, {rule} rule"
    if row["number"] == "identified":
        return f"rank {int(row['rank'])}"
    if row["number"] == "tpir":
        return f"TPIR at FPIR {row['far_target']:g}"
    return f"TAR at FAR {row['far_target']:g}" + ("" if row["rule"] == "strict" else f", {rule} rule")


def cell(row: Row) -> str:
    """A number with its counts, or for accuracy with its spread; a dash if there is none."""
    if math.isnan(row["value"]):
        return NO_NUMBER
    if row["number"] == "accuracy":
        return f"{100 * row['value']:.2f}% ± {100 * row['spread']:.2f}"
    reached = "" if row["rule"] == "strict" else f" (FAR {row['far']:.3g})"
    return f"{100 * row['value']:.2f}% {row['hits']:,}/{row['trials']:,}{reached}"


def notes(run: Run) -> tuple[str, ...]:
    """Definitions of the numbers, and which are missing."""
    told, rows = run.record.protocol, table(run, PROTOCOL)
    assert told is not None
    said = [*spreads(rows), *strict(rows), *searched(run)]
    lost = {row["part"]: row["not_compared"] for row in rows}
    if any(lost.values()):
        said.append(
            f"{sum(lost.values()):,} {'searches' if run.searched is not None else 'pairs'} could not be made and count as rejected."
        )
    absent = {(heading(row), row["undefined_because"]) for row in rows if row["undefined_because"]}
    said += [f"{name}: {clean(why)}." for name, why in sorted(absent)]
    return tuple(said)


def searched(run: Run) -> list[str]:
    """Definitions of the numbers of searches."""
    told = run.record.identification
    if told is None:
        return []
    return [
        "Rank k: the mate is among the first k candidates, whatever its score; searches without a mate are not included.",
        f"TPIR: among the first {max(told.ranks)}, at or above the threshold. "
        + " ".join(f"{score(point.threshold)}: {clean(point.source)}." for point in told.operating),
    ]


def spreads(rows: Sequence[Row]) -> list[str]:
    """The meaning of the number after the plus-minus sign."""
    found = dict.fromkeys((row["rule"], row["spread_is"]) for row in rows if row["spread_is"])
    if not found:
        return []
    each = "; ".join(f"{RULES[rule]}: {clean(what)}" for rule, what in found)
    return [f"±: {each}. Neither is an interval for other people."]


def strict(rows: Sequence[Row]) -> list[str]:
    """The rule of TAR."""
    if not any(row["number"] == "tar" for row in rows):
        return []
    nearest = any(row["number"] == "tar" and row["rule"] == "insightface" for row in rows)
    more = " InsightFace: at the nearest FAR, which may exceed the target." if nearest else ""
    return [f"TAR: at the lowest impostor score whose FAR is at most the target.{more}"]
