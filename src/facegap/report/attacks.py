"""Presentation attacks accepted by a comparison (IAPAR), as a table and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facegap.derive.attacks import FILE
from facegap.derive.metrics_of_outputs import spoken
from facegap.report.rows.comparisons import table
from facegap.report.rows.frames import group_of, groupings_of
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import clean, errors_of_trials, interval, percent, score
from facegap.store.run import Run

Row = Mapping[str, Any]
NOTE = (
    "IAPAR (ISO/IEC 30107-3): attacks of one species with a score at or above the threshold / attacks of the species with a score. "
    "Species are not pooled. The group is that of the person whose reference was attacked."
)


def iapar_report(run: Run) -> list[TextTable]:
    """Accepted attacks by species and group; none without attacks."""
    rows, groupings = table(run, FILE), groupings_of(run)
    group = Column[Row]("group", lambda row: clean(group_of(row, groupings)))
    return [table_of("accepted presentation attacks (IAPAR)", (group, *COLUMNS), rows, notes=(NOTE,))] if rows else []


def iapar_sentences(run: Run) -> list[str]:
    """The worst species at the first threshold."""
    groupings = groupings_of(run)
    everybody = [row for row in table(run, FILE) if not group_of(row, groupings).attributes]
    rows = [row for row in everybody if row["threshold"] == everybody[0]["threshold"] and row["trials"]]
    if not rows:
        return []
    worst = max(rows, key=lambda row: float(row["value"]))
    return [
        f"Accepted presentation attacks (IAPAR), worst of {len(rows)} species: {spoken(str(worst['species']))}, "
        f"{percent(worst['value'])} {interval(worst['low'], worst['high'])} "
        f"({errors_of_trials(worst['accepted'], worst['trials'])}) at threshold {score(worst['threshold'])}."
    ]


COLUMNS = (
    Column[Row]("species", lambda row: spoken(str(row["species"]))),
    Column[Row]("threshold", lambda row: score(row["threshold"])),
    Column[Row]("IAPAR", lambda row: f"{percent(row['value'])} {interval(row['low'], row['high'])}"),
    Column[Row]("accepted / attacks", lambda row: errors_of_trials(row["accepted"], row["trials"])),
    Column[Row]("without a score", lambda row: f"{row['without_score']:,}"),
    Column[Row]("people attacked", lambda row: f"{row['subjects']:,}"),
)
