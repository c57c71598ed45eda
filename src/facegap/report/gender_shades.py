"""The table of Gender Shades for any audit of a gender classifier: its columns and labels with this run's counts.

Buolamwini and Gebru (2018) printed four rows by nine columns: all, each gender, each skin tone, each combination.
`statistics/published.py` states what the row labels measure. Every cell is a `Rate` of facegap, so the table agrees
with rates.csv. A cell without people is a dash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from facegap.derive.groupings import MOST_DEFAULT_VALUES, label_order
from facegap.derive.units import subject_codes
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.report.tables import TextTable
from facegap.report.text import NO_NUMBER, clean, level_text, number
from facegap.statistics.clusters import clustered_rates
from facegap.statistics.published import LABELS_MEAN, PLAIN_NAMES
from facegap.store.run import Run
from facegap.tables import MANIFEST, label_columns
from facegap.types import AnyArray, BoolArray, IntArray, Rate

PAPER_GENDERS, PAPER_TONES = ("female", "male"), ("darker", "lighter")
NO_ANSWER = "No answer"  # a row that the paper does not have
COUNTED_AS = {
    "PPV": "correct/{people}",
    "Error": "wrong/{people}",
    "TPR": "correct/predicted so",
    "FPR": "wrong/predicted other",
    NO_ANSWER: "missing/{people}",
}
# One table of nine columns with up to three-digit groups fits. Wider ones are split: a wrapped 100.0 would read as 100 and 0.
WIDTH, LABEL_WIDTH, RULES = 120, 24, 3
ROUNDING_ERROR = 1e-12  # of proportions and limits that are 0 or 1 except for the last bits
OWN_LABELS = f"Row names are as printed by Buolamwini and Gebru (2018). {LABELS_MEAN}"
NOTHING_TO_SHOW = "Nothing to show: this view needs a classifier of two genders and images with gender labels."

Printed = Mapping[str, Mapping[str, str]]  # row label -> column heading -> printed value


@dataclass(frozen=True, eq=False)
class Answers:
    """The predictions for the n images whose gender label is a class of the classifier, one entry each.

    gender, called : str (n,), the label and the prediction; called is "" without a prediction
    right          : bool (n,)
    other          : str (n,), level of `attribute`; `unknown` without a label; all "" without attribute
    subjects       : int64 (n,), code of the subject
    genders        : the two genders to compare, those of the paper first
    left_out       : images without a label, or with one that the classifier cannot predict
    """

    gender: AnyArray
    called: AnyArray
    right: BoolArray
    other: AnyArray
    subjects: IntArray
    genders: tuple[str, str]
    attribute: str
    left_out: int


@dataclass(frozen=True, eq=False)
class Column:
    """One column: the images of a level of the other attribute (or all), and the gender whose rates are shown.

    gender : "" if the column includes both
    """

    head: str
    level: BoolArray
    gender: str


def gender_shades_tables(
    run: Run, *, title: str = "", printed: Printed | None = None, width: int = WIDTH
) -> list[TextTable]:
    """The table of a run, split into as many tables as fit within `width` characters; 120 fit all nine columns of two levels.

    printed : further lines with published values, with the same column headings
    returns : one table without rows, with a note, if the run has no two genders to compare
    """
    answers = answers_of(run)
    if answers is None:
        return [TextTable(title or "as in Gender Shades", ("per cent",), (), notes=(NOTHING_TO_SHOW,))]
    columns = columns_of(answers)
    rates = rates_of(answers, columns, run.record.level)
    crossed = f"gender x {answers.attribute}" if answers.attribute else "gender"
    title = title or f"as in Gender Shades: {crossed}"
    one_image_each = len(np.unique(answers.subjects)) == len(answers.subjects)
    lines = lines_of(rates, "people" if one_image_each else "images", printed or {})
    parts = split(lines, width)
    notes = notes_of(run, answers, columns, rates)
    return [
        TextTable(
            title if len(parts) == 1 else f"{title}, part {k} of {len(parts)}",
            part[0],
            tuple(part[1:]),
            notes=notes if k == len(parts) else (),
        )
        for k, part in enumerate(parts, start=1)
    ]


def view_rates(run: Run) -> dict[str, dict[str, Rate]]:
    """Row label -> column heading -> Rate, whose `errors` are the counts of the row; empty if `answers_of` is None."""
    answers = answers_of(run)
    return {} if answers is None else rates_of(answers, columns_of(answers), run.record.level)


def answers_of(run: Run) -> Answers | None:
    """The labelled images of a run and their predictions; None without two genders."""
    outcome = run.predictions["outcome"].to_numpy()
    counts = np.isin(outcome, ["right", "wrong", "no_answer"])
    genders = genders_of(run, counts)
    if genders is None:
        return None
    attribute = other_attribute(run)
    other = run.manifest[attribute].to_numpy() if attribute else np.full(len(outcome), "")
    labels = run.predictions["label"].to_numpy().astype(str)
    called = np.where(outcome == "no_answer", "", run.predictions["prediction"].to_numpy().astype(str))
    return Answers(
        gender=labels[counts],
        called=called[counts],
        right=(outcome == "right")[counts],
        other=other.astype(str)[counts],
        subjects=subject_codes(run.manifest)[counts],
        genders=genders,
        attribute=attribute,
        left_out=int((~counts).sum()),
    )


def genders_of(run: Run, counts: BoolArray) -> tuple[str, str] | None:
    """The two genders to compare: the classes, or if there are more, those that occur as labels."""
    kinds = set(run.record.classes)
    if len(kinds) > 2:
        kinds &= set(run.predictions["label"].to_numpy()[counts])
    if len(kinds) != 2:
        return None
    first, second = sorted(kinds, key=lambda kind: in_order(kind, PAPER_GENDERS))
    return first, second


def other_attribute(run: Run) -> str:
    """The attribute crossed with gender: that of --by (tone before others), otherwise tone if labelled, otherwise ""."""
    crossed = [
        name for grouping in run.record.groupings if "gender" in grouping for name in grouping if name != "gender"
    ]
    if crossed:
        return "tone" if "tone" in crossed else str(crossed[0])
    labelled = "tone" in label_columns(run.manifest, MANIFEST)
    return "tone" if labelled and run.manifest["tone"].nunique() <= MOST_DEFAULT_VALUES else ""


def columns_of(answers: Answers) -> list[Column]:
    """All, each gender, each level, each combination. If tone is darker and lighter, both are shown even if empty."""
    everyone = np.ones(len(answers.gender), np.bool_)
    initials = {kind: kind[:1].upper() for kind in answers.genders}
    if len(set(initials.values())) < 2:
        initials = {kind: kind.capitalize() for kind in answers.genders}
    levels = levels_of(answers.other)
    # DF is clear for darker females; initials of free text (M of Middle Eastern) would be mistaken for a gender.
    short = {level: level[:1].upper() if levels == PAPER_TONES else f"{level} " for level in levels}
    heads = {level: level.capitalize() if levels == PAPER_TONES else level for level in levels}
    inside = {level: answers.other == level for level in levels}
    columns = [
        Column("All", everyone, ""),
        *(Column(initials[kind], everyone, kind) for kind in answers.genders),
        *(Column(heads[level], inside[level], "") for level in levels),
        *(Column(short[level] + initials[kind], inside[level], kind) for level in levels for kind in answers.genders),
    ]
    return with_heads_apart(columns, answers.attribute)


def with_heads_apart(columns: Sequence[Column], attribute: str) -> list[Column]:
    """The columns, with the attribute added if a level has the name of another column: a group F is not women."""
    taken: set[str] = set()
    found = []
    for column in columns:
        head = column.head
        while head in taken:
            head = f"{attribute} {head}"
        taken.add(head)
        found.append(replace(column, head=head))
    return found


def levels_of(other: AnyArray) -> tuple[str, ...]:
    """The labelled levels in the order of the paper, ages by years, others by name."""
    found = set(other.tolist()) - {UNKNOWN, ""}
    if found and found <= set(PAPER_TONES):
        return PAPER_TONES
    return tuple(sorted(found, key=label_order))


def in_order(kind: str, known: Sequence[str]) -> tuple[int, str]:
    """Sort key: known genders first, in their order."""
    return (known.index(kind) if kind in known else len(known)), kind


def rates_of(answers: Answers, columns: Sequence[Column], level: float) -> dict[str, dict[str, Rate]]:
    """The rate of every row and column, with subjects as clusters; `No answer` only if a prediction is missing."""
    labels = [*PLAIN_NAMES, *([NO_ANSWER] if (answers.called == "").any() else [])]
    return {label: row_rates(answers, columns, label, level) for label in labels}


def row_rates(answers: Answers, columns: Sequence[Column], label: str, level: float) -> dict[str, Rate]:
    """One row: column heading -> rate of the counts of `trials_and_hits`. An image is in several columns."""
    picked = [trials_and_hits(answers, column, label) for column in columns]
    rows = np.concatenate([np.flatnonzero(trials) for trials, _ in picked])
    cells = np.repeat(np.arange(len(columns)), [int(trials.sum()) for trials, _ in picked])
    hits = np.concatenate([hits[trials] for trials, hits in picked])
    found = clustered_rates(hits, None, answers.subjects[rows], cells, n_cells=len(columns), level=level)
    return {column.head: rate for column, rate in zip(columns, found.rows(), strict=True)}


def trials_and_hits(answers: Answers, column: Column, label: str) -> tuple[BoolArray, BoolArray]:
    """Which images are trials of a row in a column, and which images it counts; bool (n,) each.

    PPV, Error : images of the column; a missing prediction is an error
    TPR, FPR   : images of the level predicted as this gender, or as the other one. If the column includes both
                 genders, all images with a prediction: the precision over both
    """
    right, answered = answers.right, answers.called != ""
    own = column.level & (answers.gender == column.gender) if column.gender else column.level
    if label == NO_ANSWER:
        return own, ~answered
    if label in ("PPV", "Error"):
        return own, right if label == "PPV" else ~right
    if not column.gender:
        return own & answered, right if label == "TPR" else ~right
    first, second = answers.genders
    other = second if column.gender == first else first
    if label == "TPR":
        return column.level & (answers.called == column.gender), right
    return column.level & (answers.called == other), ~right


def lines_of(rates: Mapping[str, Mapping[str, Rate]], unit: str, printed: Printed) -> list[tuple[str, ...]]:
    """The heading and lines of the whole table before it is split: one block of lines per row of the paper."""
    heads = list(rates["Error"])
    lines: list[tuple[str, ...]] = [("per cent", *(clean(head) for head in heads))]
    for label, cells in rates.items():
        plain = f"{label}: {PLAIN_NAMES[label]}" if label in PLAIN_NAMES else label
        if len(lines) > 1:
            lines.append(("",) * (len(heads) + 1))
        lines.append((plain, *(per_cent(cells[head].value) for head in heads)))
        if label in printed:
            lines.append(("  as printed", *(printed[label].get(head, NO_NUMBER) for head in heads)))
        lines.append(("  at least", *(per_cent(cells[head].low) for head in heads)))
        lines.append(("  at most", *(per_cent(cells[head].high) for head in heads)))
        counted = f"  {COUNTED_AS[label].format(people=unit)}"
        lines.append((counted, *(f"{cells[head].errors}/{cells[head].trials}" for head in heads)))
    return lines


def per_cent(value: float) -> str:
    """A proportion in per cent with one decimal; a dash for NaN. 0.0 and 100.0 are only used for exactly none and all."""
    text = number(0.0 if value < 0 else 100 * value, 1)  # a limit below 0 by the last bit must not be printed as -0.0
    if text == "0.0" and value > ROUNDING_ERROR:
        return "<0.1"
    return ">99.9" if text == "100.0" and value < 1 - ROUNDING_ERROR else text


def split(lines: Sequence[tuple[str, ...]], width: int) -> list[list[tuple[str, ...]]]:
    """Lines divided into tables that fit: each keeps the first cell of every line, and none is empty."""
    room = width - LABEL_WIDTH - RULES - 1
    parts: list[list[int]] = [[]]
    used = 0
    for k in range(1, len(lines[0])):
        needed = max(len(line[k]) for line in lines) + RULES
        if parts[-1] and used + needed > room:
            parts.append([])
            used = 0
        parts[-1].append(k)
        used += needed
    return [[(line[0], *(line[k] for k in part)) for line in lines] for part in parts]


def notes_of(
    run: Run, answers: Answers, columns: Sequence[Column], rates: Mapping[str, Mapping[str, Rate]]
) -> tuple[str, ...]:
    """Definitions of the labels, and what the numbers alone do not show."""
    minimum = run.record.min_subjects
    silent = int((answers.called == "").sum())
    neither = int((~np.isin(answers.called, ["", *answers.genders])).sum())
    unlabelled = int((answers.other == UNKNOWN).sum())
    errors = rates["Error"]
    small = [clean(column.head) for column in columns if 0 < errors[column.head].people < minimum]
    empty = [clean(column.head) for column in columns if errors[column.head].trials == 0]
    said = (
        (True, OWN_LABELS),
        (
            True,
            "Columns of both genders show the proportion of correct predictions in PPV and TPR, and of wrong ones in "
            f"Error and FPR. At least, at most: ends of {level_text(run.record.level)} intervals with people, not "
            "images, as the sampling unit.",
        ),
        (
            silent,
            f"{silent} of {len(answers.called)} have no prediction: an error in PPV and Error, not included in TPR or FPR.",
        ),
        (
            neither,
            f"{neither} of {len(answers.called)} were predicted as neither: an error in PPV and Error, included only in TPR of All.",
        ),
        (unlabelled, f"{unlabelled} without a label of {answers.attribute} are only in All and the columns of gender."),
        (
            answers.left_out,
            f"{answers.left_out} images are excluded: without a gender label that the model can predict.",
        ),
        (small, f"Fewer than {minimum} effective subjects, shown but not ranked: {', '.join(small)}."),
        (empty, f"No images in {', '.join(empty)}: {NO_NUMBER} means undefined, not 0."),
    )
    return tuple(clean(text) for holds, text in said if holds)
