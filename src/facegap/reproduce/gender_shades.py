"""Gender Shades: reconstruct the people of the printed table and audit them (`facegap reproduce gender-shades`).

The printed proportions are converted to counts, the counts to one row per person, and those rows to the two files of a
black-box audit. From there on they are processed like any other predictions.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facegap.audit.predictions import audit_predictions
from facegap.audit.settings import AuditSettings
from facegap.derive.metrics import ERROR_RATE_ALL
from facegap.report.gender_shades import OWN_LABELS, WIDTH, Printed, gender_shades_tables, view_rates
from facegap.report.groups import decided_text, verdict_text
from facegap.report.page import add_report
from facegap.report.rows.gaps import GapRow, gap_rows
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import clean, errors_of_trials, number, p_value, points
from facegap.reproduce.found import Reproduction
from facegap.statistics.published import (
    COLUMNS,
    GROUP_SIZES,
    LABEL_NOTE,
    PRINTED,
    SOURCE,
    SUBGROUPS,
    PossibleCounts,
    RebuiltPeople,
    impossible_cells,
    possible_counts,
    rebuild_people,
)
from facegap.store.folder import make_empty
from facegap.store.run import Run, write_bytes
from facegap.store.temporary import temporary_folder

BY = "gender*tone,gender,tone"  # the study is about the crossed groups, which are the primary family
METRIC = ERROR_RATE_ALL.name
MARK = "*"  # for printed proportions that no count can give
MARKED = ("PPV", "Error")  # rows whose denominators are the stated group sizes
NO_COUNT = f"{MARK} no whole number of people in the group gives this proportion after rounding."
SECONDARY = (
    f"source = {SOURCE}: the printed numbers come from copies of the paper and from memory confirmed by arithmetic, "
    "and the people are reconstructed from them."
)
INTRODUCTION = (
    f"Gender Shades (Buolamwini and Gebru 2018), {GROUP_SIZES['All']:,} faces of parliamentarians, three vendors. "
    "The errors printed for the four crossed groups were converted to the nearest counts, the counts to people, and "
    "the people were audited as usual.",
    SECONDARY,
    LABEL_NOTE,
)


def reproduce_gender_shades(out: Path | None = None, width: int = WIDTH) -> Reproduction:
    """Reconstruct, audit and compare all vendors of the table.

    out   : a new or empty folder for the manifest, the predictions and the run folder of each vendor; None writes nothing
    width : characters per line; if nine columns do not fit, they are split into several tables

    Raises
    ------
    RunError : `out` is not empty, or cannot be written
    """
    if out is None:
        with temporary_folder() as folder:
            runs = {vendor: audited(vendor, folder) for vendor in PRINTED}
        folders: tuple[Path, ...] = ()
    else:
        make_empty(out)
        runs = {vendor: audited(vendor, out) for vendor in PRINTED}
        folders = tuple(kept(run, out / file_name(vendor)) for vendor, run in runs.items())
    return Reproduction(INTRODUCTION, comparison(runs, width), runs=runs, folders=folders)


def comparison(runs: Mapping[str, Run], width: int) -> tuple[TextTable, ...]:
    """All tables in reading order; a note that several of them share follows the last one."""
    vendors = [table for vendor, run in runs.items() for table in vendor_tables(vendor, run, width)]
    return (*noted_once(vendors), impossible_table(), margins_table(runs), verdicts_table(runs))


# ---- people, predictions, runs ----


def audited(vendor: str, folder: Path, people: RebuiltPeople | None = None, warning: str = SECONDARY) -> Run:
    """The run of one company; the manifest and the predictions are written to `folder`.

    people  : with the predictions of the company; None: those of Gender Shades
    warning : the source of the numbers, for the record of the run
    """
    people = rebuild_people(vendor) if people is None else people
    names = [
        f"{tone}_{gender}_{k:04d}" for k, (tone, gender) in enumerate(zip(people.tone, people.gender, strict=True))
    ]
    manifest, answers = folder / "people.csv", folder / f"{file_name(vendor)}.csv"
    write_bytes(manifest, csv_text(("image", "gender", "tone"), zip(names, people.gender, people.tone, strict=True)))
    write_bytes(answers, csv_text(("image", "prediction"), zip(names, people.prediction, strict=True)))
    run = audit_predictions(answers, manifest, AuditSettings(by=BY), model=vendor)
    record = replace(run.record, source=SOURCE, warnings=(warning, *run.record.warnings))
    return replace(run, record=record)


def csv_text(header: Sequence[str], rows: Iterable[Iterable[str]]) -> bytes:
    """A CSV file as bytes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def file_name(vendor: str) -> str:
    """A vendor's name in lower case without symbols: Face++ is facepp."""
    return vendor.lower().replace("+", "p")


def kept(run: Run, folder: Path) -> Path:
    """Write a run with its report; return its folder."""
    run.write(folder)
    add_report(folder, run, include_ids=False)
    return folder


# ---- the paper's columns ----


def vendor_tables(vendor: str, run: Run, width: int) -> list[TextTable]:
    """facegap's own numbers, with the printed ones below."""
    title = f"{vendor} (source = {SOURCE})"
    tables = gender_shades_tables(run, title=title, printed=printed_text(vendor), width=width)
    return [*tables[:-1], replace(tables[-1], notes=(NO_COUNT, *tables[-1].notes))]


def printed_text(vendor: str) -> Printed:
    """The printed rows of a vendor as text by column, marked if no count gives them."""
    return {
        label: {
            column: f"{share:.1f}{'' if label not in MARKED or found.possible else MARK}"
            for column, share, found in zip(COLUMNS, shares, counts_for(shares), strict=True)
        }
        for label, shares in PRINTED[vendor].items()
    }


def counts_for(shares: Sequence[float]) -> list[PossibleCounts]:
    """The counts that are consistent with a printed row, for the stated sizes of the nine columns."""
    return possible_counts(shares, [GROUP_SIZES[column] for column in COLUMNS])


def noted_once(tables: Sequence[TextTable]) -> list[TextTable]:
    """The tables, with each note only below the last one that has it; notes of the introduction are omitted."""
    later = {*INTRODUCTION, OWN_LABELS}  # LABEL_NOTE in the introduction is more detailed
    found: list[TextTable] = []
    for table in reversed(tables):
        found.insert(0, replace(table, notes=tuple(note for note in table.notes if note not in later)))
        later |= set(table.notes)
    return found


def impossible_table() -> TextTable:
    """The printed errors that no whole number of people gives."""
    rows = tuple(
        (
            cell.vendor,
            cell.column,
            f"{cell.printed:.1f}",
            str(cell.size),
            f"{cell.nearest}/{cell.size}",
            number(100 * cell.nearest / cell.size),
        )
        for cell in impossible_cells()
    )
    return TextTable(
        "printed errors that no whole number of people gives",
        ("vendor", "column", "printed", "people", "nearest count", "gives"),
        rows,
        notes=(
            f"source = {SOURCE}. Faces were probably omitted from these cells: refusals are then hidden as missing rows.",
        ),
    )


def margins_table(runs: Mapping[str, Run]) -> TextTable:
    """Errors of All, genders and tones that differ from the rounded sum of the reconstructed cells."""
    rows = []
    for vendor, run in runs.items():
        errors = view_rates(run)["Error"]
        for column, printed in zip(COLUMNS, PRINTED[vendor]["Error"], strict=True):
            rate = errors[column]
            if column not in SUBGROUPS and not rounds_to(100 * rate.value, printed):
                rows.append(
                    (vendor, column, f"{printed:.1f}", number(100 * rate.value), f"{rate.errors}/{rate.trials}")
                )
    return TextTable(
        "printed errors that differ from the sum of their crossed groups",
        ("vendor", "column", "printed", "rebuilt", "wrong/people"),
        tuple(rows),
        notes=(f"source = {SOURCE}. Reconstructed: the sum over DF, DM, LF and LM, as in the tables above.",),
    )


def rounds_to(exact: float, printed: float) -> bool:
    """Whether a proportion may be printed as this with one decimal; halves may be rounded either way."""
    return abs(exact - printed) <= 0.05 + 1e-9


# ---- gaps ----


def verdicts_table(runs: Mapping[str, Run]) -> TextTable:
    """Every gap of the error within the true group, by vendor, the worse group first."""
    notes = (
        f"source = {SOURCE}. Points are per cent of people, and the interval is the one that decided the verdict. p is Holm's "
        "over the six pairs of crossed groups of a vendor, which are the primary family; genders and tones alone are "
        "exploratory and have no verdict. The margin was chosen by facegap.",
        "Members of these parliaments are not a random sample of people; a gap says nothing about its cause.",
    )
    return table_of("gaps and verdicts", VERDICTS, vendor_gaps(runs), notes=notes)


@dataclass(frozen=True)
class VendorGap:
    """A gap of one vendor; `is_first` if it is the vendor's first, which shows the name."""

    vendor: str
    is_first: bool
    gap: GapRow


def vendor_gaps(runs: Mapping[str, Run]) -> list[VendorGap]:
    """The gaps of all vendors."""
    found = {vendor: [gap for gap in gap_rows(run) if gap.metric == METRIC] for vendor, run in runs.items()}
    return [VendorGap(vendor, k == 0, gap) for vendor, gaps in found.items() for k, gap in enumerate(gaps)]


VERDICTS = (
    Column[VendorGap]("vendor", lambda row: clean(row.vendor) if row.is_first else ""),
    Column[VendorGap]("worse, better", lambda row: clean(f"{row.gap.worse.group}, {row.gap.better.group}")),
    Column[VendorGap](
        "wrong/people",
        lambda row: ", ".join(errors_of_trials(side.errors, side.trials) for side in (row.gap.worse, row.gap.better)),
    ),
    Column[VendorGap]("difference", lambda row: points(row.gap.difference.value, 1)),
    Column[VendorGap]("p (Holm)", lambda row: p_value(row.gap.p_decided)),
    Column[VendorGap]("deciding interval", lambda row: decided_text(row.gap)),
    Column[VendorGap]("verdict", lambda row: verdict_text(row.gap)),
)
