"""The tables of `facegap agreement` for readers: on a terminal, and as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from facegap.annotate.agreement import CONSENSUS_NAME, Agreement
from facegap.groups.consensus import EVEN_RULES
from facegap.groups.scales import MONK
from facegap.report.rows.frames import records
from facegap.report.tables import TextTable
from facegap.report.text import number, percent
from facegap.store.run import open_folder, write_csv
from facegap.tables import AGREED

MOST_DISPUTES = 20  # printed; disputes.csv has all
LIMITS = (
    "Krippendorff (2004) requires an alpha of 0.800, and 0.667 for tentative conclusions. Intervals: 95%, subjects "
    "resampled, annotators fixed."
)


def as_text(found: Sequence[Agreement], *, include_ids: bool) -> list[TextTable]:
    """The tables in reading order."""
    return [table for one in found for table in _of_scale(one, include_ids=include_ids)]


def write_agreement(found: Sequence[Agreement], out: Path, *, include_ids: bool) -> list[str]:
    """Write the tables of all scales, one below the other, into a new or empty folder; return the names of the files.

    Images are named only with `include_ids`; otherwise disputes.csv has no column image and there is no consensus.csv.
    """
    files = {
        "alpha.csv": [(one, one.alpha) for one in found],
        "pairs.csv": [(one, one.pairs) for one in found],
        "annotators.csv": [(one, one.annotators) for one in found],
        "disputes.csv": [(one, one.disputes if include_ids else one.disputes.drop(columns="image")) for one in found],
        "measured.csv": [(one, one.measured) for one in found if one.measured is not None],
        "consensus.csv": [(one, one.consensus) for one in found] if include_ids else [],
    }
    named = {name: tables for name, tables in files.items() if tables}
    with open_folder(out, resume=False):
        for name, tables in named.items():
            whole = pd.concat([_with_scale(one, table) for one, table in tables], ignore_index=True)
            write_csv(out / name, whole, AGREED[name])
    return list(named)


def _with_scale(one: Agreement, table: pd.DataFrame) -> pd.DataFrame:
    """A table with its scale as the first column."""
    named = table.copy()
    named.insert(0, "scale", one.scale.name)
    return named


def _of_scale(one: Agreement, *, include_ids: bool) -> list[TextTable]:
    """The tables of one scale."""
    tables = [_alpha_table(one)]
    if len(one.pairs):
        tables.append(_pairs_table(one))
    tables += [_annotators_table(one), _disputes_table(one, include_ids=include_ids), _consensus_counts(one)]
    return tables if one.measured is None else [*tables, _measured_table(one, one.measured)]


def _alpha_table(one: Agreement) -> TextTable:
    """Krippendorff's alpha."""
    rows = tuple(
        (row["metric"], _with_interval(row, "alpha", ("low", "high")), *_counts(row, "images", "subjects", "answers"))
        for row in records(one.alpha)
    )
    notes = [LIMITS]
    if one.scale.ordinal:
        notes.append("The ordinal alpha fits this scale; the interval alpha assumes steps of equal width.")
    if len(one.alpha) and not one.alpha["images"].iloc[0]:
        notes.append("No image has two labels, so there is nothing to compare.")
    columns = ("metric", "alpha", "images with at least 2 labels", "subjects", "answers")
    return TextTable(f"{one.scale.name}: agreement (Krippendorff's alpha)", columns, rows, notes=tuple(notes))


def _pairs_table(one: Agreement) -> TextTable:
    """Every two annotators."""
    rows = tuple(
        (
            f"{row['annotator_a']}, {row['annotator_b']}",
            *_counts(row, "images"),
            f"{percent(row['same'], 1)} {_interval(row['same_low'], row['same_high'], 100)}".strip(),
            _with_interval(row, "kappa"),
            _with_interval(row, "weighted_kappa"),
        )
        for row in records(one.pairs)
    )
    note = "Cohen's kappa; the weighted kappa weights a disagreement by the squared number of steps."
    columns = ("annotators", "images", "same label", "kappa", "weighted kappa")
    return TextTable(f"{one.scale.name}: pairs of annotators", columns, rows, notes=(note,))


def _annotators_table(one: Agreement) -> TextTable:
    """Each annotator compared with the others."""
    rows = tuple(
        (
            row["annotator"],
            *_counts(row, "answered", "skipped", "images"),
            _with_interval(row, "difference"),
            " / ".join(percent(row[name], 0) for name in ("lighter", "same", "darker")),
        )
        for row in records(one.annotators)
    )
    note = "Steps of the scale from the median of the other annotators; above 0 is darker."
    columns = ("annotator", "answered", "skipped", "compared", "steps from the others", "lighter / same / darker")
    return TextTable(f"{one.scale.name}: annotators", columns, rows, notes=(note,))


def _disputes_table(one: Agreement, *, include_ids: bool) -> TextTable:
    """Disputed images: named only if requested, otherwise counted."""
    answered = int((one.consensus["answers"] > 1).sum())
    across = int(one.disputes["across_cut"].sum())
    rule = f"{one.dispute_steps} steps or more apart" if one.scale.ordinal else "with different labels"
    said = (
        f"{len(one.disputes)} of {answered} images with at least two labels are disputed: {rule}, or lighter for one "
        f"annotator and darker for another ({across}; lighter is {', '.join(one.scale.lighter)})."
    )
    if not include_ids:
        counts = one.disputes["steps"].value_counts().sort_index(ascending=False)
        rows = tuple((str(steps), str(count)) for steps, count in counts.items())
        notes = (said, "--include-ids names them.") if rows else (said,)
        return TextTable(f"{one.scale.name}: disputed images", ("steps apart", "images"), rows, notes=notes)
    rows = tuple(
        (row["image"], f"{row['lightest']} to {row['darkest']}", *_counts(row, "steps", "answers"))
        for row in records(one.disputes.head(MOST_DISPUTES))
    )
    notes = (said, f"The first {MOST_DISPUTES}; use --out for all.") if len(one.disputes) > MOST_DISPUTES else (said,)
    return TextTable(
        f"{one.scale.name}: disputed images", ("image", "labels", "steps apart", "answers"), rows, notes=notes
    )


def _consensus_counts(one: Agreement) -> TextTable:
    """The number of images with each consensus label."""
    found = one.consensus
    rows = [(label, str(int((found["value"] == label).sum()))) for label in one.scale.labels]
    rows.append(("no label", str(int((found["value"] == "").sum()))))
    single, tied = int((found["answers"] == 1).sum()), int(found["tied"].sum())
    how = "The median label" if one.scale.ordinal else "The most frequent label; a tie gives none"
    rule = (
        f"; where it falls between two labels (--even {one.even}): {EVEN_RULES[one.even]}" if one.scale.ordinal else ""
    )
    notes = (f"{how}{rule}. This decided {tied} images; {single} have a single label.",)
    return TextTable(f"{one.scale.name}: consensus", ("label", "images"), tuple(rows), notes=notes)


def _measured_table(one: Agreement, measured: pd.DataFrame) -> TextTable:
    """Annotators and their consensus compared with the measurement."""
    monk = one.scale == MONK
    rows = []
    for row in records(measured):
        steps = (_with_interval(row, "steps"), percent(row["within_one"], 0)) if monk else ()
        side = f"{percent(row['same_side'], 1)} {_interval(row['same_side_low'], row['same_side_high'], 100)}".strip()
        name = row["annotator"].strip("()") if row["annotator"] == CONSENSUS_NAME else row["annotator"]
        order = _with_interval(row, "rank_correlation")
        rows.append((name, *_counts(row, "images"), order, *steps, f"{side} of {row['side_images']}"))
    middle = ("steps from measured Monk", "within one step") if monk else ()
    columns = ("annotator", "images", "rank correlation with ITA", *middle, "same side of lighter and darker")
    note = (
        "A measured tone is a measurement of a photograph, including its lighting, and not a ground truth for "
        "annotators. Images without a measured ITA, or with the measured tone unknown, are excluded from the columns "
        "that need them."
    )
    return TextTable(f"{one.scale.name}: comparison with the measurement", columns, tuple(rows), notes=(note,))


def _counts(row: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """Whole numbers as text."""
    return tuple(f"{int(row[name]):,}" for name in names)


def _with_interval(row: Mapping[str, Any], name: str, ends: tuple[str, str] | None = None) -> str:
    """A measure and its interval."""
    low, high = ends or (f"{name}_low", f"{name}_high")
    return f"{number(row[name], 3)} {_interval(row[low], row[high])}".strip()


def _interval(low: float, high: float, times: float = 1) -> str:
    """An interval; empty if there is none."""
    digits = 3 if times == 1 else 1
    return "" if low != low or high != high else f"[{low * times:.{digits}f}, {high * times:.{digits}f}]"
