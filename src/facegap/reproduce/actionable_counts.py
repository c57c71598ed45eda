"""The printed errors of Actionable Auditing as counts of people."""

from __future__ import annotations

from collections.abc import Mapping

from facegap.report.tables import TextTable
from facegap.report.text import errors_of_trials, number
from facegap.statistics.published import (
    GROUP_SIZES,
    SOURCE,
    SUBGROUPS,
    PossibleCounts,
    largest_size,
    possible_counts,
)

COLUMNS = ("All", *SUBGROUPS)
# Errors in per cent, August 2018, as printed, with the printed decimals.
PRINTED: Mapping[str, tuple[str, ...]] = {
    "Face++": ("1.6", "4.1", "1.3", "1.0", "0.5"),
    "Microsoft": ("0.48", "1.52", "0.33", "0.34", "0"),
    "IBM": ("4.41", "16.97", "0.63", "2.37", "0.26"),
    "Amazon": ("8.66", "31.37", "1.26", "7.12", "0"),
    "Kairos": ("6.60", "22.50", "1.30", "6.40", "0"),
}
MARK = "*"


def second_errors(vendor: str) -> dict[str, int]:
    """People misclassified in DF, DM, LF and LM in August 2018: the counts closest to the printed errors."""
    return {column: counts_of(vendor)[column].nearest for column in SUBGROUPS}


def counts_of(vendor: str) -> dict[str, PossibleCounts]:
    """The counts that are consistent with each printed error, for the stated group sizes of the first audit."""
    return {
        column: possible_counts(float(text), GROUP_SIZES[column], decimals=decimals_of(text))[0]
        for column, text in zip(COLUMNS, PRINTED[vendor], strict=True)
    }


def decimals_of(text: str) -> int:
    """The number of printed decimals."""
    return len(text.partition(".")[2])


def printed_table() -> TextTable:
    """Every printed error with the closest count."""
    rows = tuple(
        (vendor, *(printed_cell(text, counts_of(vendor)[column]) for column, text in zip(COLUMNS, texts, strict=True)))
        for vendor, texts in PRINTED.items()
    )
    sizes = tuple(f"{column} (of {GROUP_SIZES[column]:,})" for column in COLUMNS)
    notes = (
        f"source = {SOURCE}. {MARK} no whole number of people gives this proportion after rounding; the closest is shown.",
    )
    return TextTable(
        "printed errors in per cent, August 2018, and the corresponding people", ("company", *sizes), rows, notes=notes
    )


def printed_cell(text: str, found: PossibleCounts) -> str:
    """A printed error and its count, marked if no count is consistent with it."""
    return f"{text}{'' if found.possible else MARK} = {found.nearest}"


def impossible_table() -> TextTable:
    """The printed errors that no whole number of people gives, and the largest possible numbers of people."""
    rows = tuple(
        (
            vendor,
            column,
            text,
            str(found.size),
            number(100 * found.nearest / found.size, decimals_of(text) + 1),
            str(largest_size(found.share, found.size, decimals=decimals_of(text))),
            shortened_text(text, found.size),
        )
        for vendor, texts in PRINTED.items()
        for column, text in zip(COLUMNS, texts, strict=True)
        for found in (counts_of(vendor)[column],)
        if not found.possible
    )
    notes = (
        f"source = {SOURCE}. Most people: the largest number, up to the size of the group, for which some count gives the "
        "printed error. Fewer than the group means that faces were omitted, or that the printed number or its copy is wrong.",
        "Kairos: every error ends in 0, and with one decimal each is consistent with a whole number of people: the zeros were added.",
    )
    heading = ("company", "column", "printed", "people", "closest gives", "most people", "without its last 0")
    return TextTable("printed errors that no whole number of people gives", heading, rows, notes=notes)


def shortened_text(text: str, size: int) -> str:
    """The count for a printed error without its last 0; a dash if there is none."""
    if decimals_of(text) < 2 or not text.endswith("0"):
        return "–"
    found = possible_counts(float(text), size, decimals=decimals_of(text) - 1)[0]
    return errors_of_trials(found.nearest, size) if found.possible else "none"


def sums_table() -> TextTable:
    """The overall error and the sum over the four groups."""
    rows = []
    for vendor, texts in PRINTED.items():
        wrong, everybody = sum(second_errors(vendor).values()), GROUP_SIZES["All"]
        share, decimals = 100 * wrong / everybody, decimals_of(texts[0].rstrip("0"))
        agrees = abs(share - float(texts[0])) <= 0.5 * 10.0**-decimals + 1e-9
        rows.append((vendor, texts[0], errors_of_trials(wrong, everybody), number(share, 3), "yes" if agrees else "no"))
    return TextTable(
        "printed overall error, and the sum of the four groups",
        ("company", "printed", "wrong/people", "gives", "as printed"),
        tuple(rows),
        notes=(f"source = {SOURCE}. A printed last 0 is treated as added, see above.",),
    )
