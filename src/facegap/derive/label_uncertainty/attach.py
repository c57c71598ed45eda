"""Labels of skin tone for the rows of a manifest: measured from pixels or given by annotators, with their uncertainty.

Tables are joined by exact match of the column image. A row without a label stays in the audit as `unknown` and is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from facegap.derive.groupings import label_order
from facegap.derive.label_uncertainty.rates import label_probabilities
from facegap.errors import TableError
from facegap.groups.agreement import label_counts
from facegap.groups.annotations import NO_LABEL, checked_annotations, ratings, scales_of
from facegap.groups.consensus import EVEN_RULES, Even, consensus
from facegap.groups.scales import DARKER, LIGHTER, LIGHTER_DARKER, Scale, lighter_labels
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.inputs.manifests.read import JoinedLabels, Manifest
from facegap.inputs.records import Records, read_records
from facegap.statistics.label_uncertainty.probabilities import answer_probabilities
from facegap.store.record import AnnotationsFile, LabelColumn, LabelsRecord
from facegap.tables import LABELS, TONE, check
from facegap.types import BoolArray, FloatArray, IntArray

MEASURED_TONE, MEASURED_MONK, ANNOTATED_TONE = "measured_tone", "measured_monk", "annotated_tone"
MEASURED_ITA = "measured_ita"  # in degrees: a quantity, not a label, joined only for --slope
CLASSES = (LIGHTER, DARKER)
MONK_WORDS = " (the distance to the nearest colour is not a probability)"
ALONE_WORDS = " (some images have only one annotator, and too few have several from which to estimate it)"


@dataclass(frozen=True, eq=False)
class Column:
    """One label column of tone for all rows of a manifest.

    labels        : text per row, `unknown` without one
    classes       : classes of the columns of `probabilities`
    probabilities : float64 [rows, K], NaN if unknown
    without       : reasons why rows have no label, with their numbers
    why_unknown   : why probabilities may be missing, as the end of a clause
    notes         : notes for the reader
    """

    name: str
    source: Literal["measured", "annotated"]
    labels: pd.Series
    classes: tuple[str, ...]
    probabilities: FloatArray
    without: Mapping[str, int]
    why_unknown: str = ""
    notes: Sequence[str] = ()


def with_tone(table: Manifest, tone: Path | None, annotations: Path | None, *, draws: int, seed: int) -> Manifest:
    """The manifest with label columns of tone; unchanged if neither file is given.

    tone        : table from `facegap tone`: adds measured_tone and measured_monk
    annotations : table from `facegap annotate`: adds annotated_tone, and annotated_<scale> for each scale
    draws, seed : number of resamples of labels to estimate the effect of label uncertainty on gaps

    Raises
    ------
    TableError : if a file is malformed, a column already exists in the manifest, the file has images that are not in
                 the manifest, or measurements are missing
    """
    if tone is None and annotations is None:
        return table
    known = table.images
    columns: list[Column] = []
    tone_sha256, stated = None, None
    if tone is not None:
        measured, tone_sha256 = read_tone(tone, table, known, table.name)
        columns += measured_columns(measured)
    if annotations is not None:
        found, stated = annotated_columns(annotations, table, known, table.name)
        columns += found
    return joined(table, columns, LabelsRecord(draws, seed, {}, tone_sha256, stated), table.name)


def with_measured_ita(table: Manifest, tone: Path) -> Manifest:
    """The manifest with the measured ITA of every image in degrees, as text; `unknown` if not measured.

    Raises
    ------
    TableError : as in `with_tone`; also if the manifest has a column with that name
    """
    if MEASURED_ITA in table.frame.columns:
        raise TableError(
            f"{table.name} line 1, column {MEASURED_ITA}: facegap adds a column with that name; rename yours"
        )
    measured, _ = read_tone(tone, table, table.images, table.name)
    texts = [UNKNOWN if pd.isna(value) else repr(float(value)) for value in measured["measured_ita"]]
    frame = table.frame.assign(**{MEASURED_ITA: pd.Series(texts, index=table.frame.index, dtype="str")})
    return replace(table, frame=frame, labels=(*table.labels, MEASURED_ITA))


def joined(table: Manifest, columns: Sequence[Column], record: LabelsRecord, file: str) -> Manifest:
    """The manifest with these columns as labels."""
    for column in columns:
        if column.name in table.frame.columns:
            raise TableError(f"{file} line 1, column {column.name}: facegap adds a column with that name; rename yours")
    frame = table.frame.assign(**{column.name: column.labels.to_numpy() for column in columns})
    probabilities = check(pd.concat([labels_rows(column) for column in columns], ignore_index=True), LABELS, "labels")
    subjects = np.asarray(pd.factorize(frame["subject"])[0], np.int64)
    stated = {
        column.name: column_record(column, label_probabilities(probabilities, frame, column.name, subjects) is not None)
        for column in columns
    }
    names = (*table.labels, *(column.name for column in columns))
    return replace(
        table, frame=frame, labels=names, joined=JoinedLabels(probabilities, replace(record, columns=stated))
    )


def labels_rows(column: Column) -> pd.DataFrame:
    """LABELS of one column: a record per row and class; with NaN if the uncertainty of a row's label is unknown."""
    known = ~np.isnan(column.probabilities).any(axis=1)
    rows, classes = np.flatnonzero(known), list(column.classes)
    stated = pd.DataFrame(
        {
            "row": np.repeat(rows, len(classes)),
            "label": classes * len(rows),
            "probability": column.probabilities[known].ravel(),
        }
    )
    bare = np.flatnonzero(~known & (column.labels != UNKNOWN).to_numpy())
    unsure = pd.DataFrame({"row": bare, "label": column.labels.to_numpy()[bare], "probability": np.nan})
    return pd.concat([stated, unsure] if len(bare) else [stated], ignore_index=True).assign(column=column.name)


def column_record(column: Column, is_known: bool) -> LabelColumn:
    """The record of a column in run.json."""
    counts = column.labels[column.labels != UNKNOWN].value_counts()
    known = ~np.isnan(column.probabilities).any(axis=1)
    return LabelColumn(
        column.source,
        rows={str(label): int(counts[label]) for label in sorted(counts.index, key=label_order)},
        without_label=dict(column.without),
        without_label_but_drawn=int((known & (column.labels == UNKNOWN).to_numpy()).sum()),
        uncertainty="known" if is_known else "unknown",
        why_unknown="" if is_known else column.why_unknown,
        notes=tuple(column.notes),
    )


# ---- measured ----


def read_tone(path: Path, table: Manifest, known: frozenset[str], manifest: str) -> tuple[pd.DataFrame, str]:
    """The rows of a table of measured tone in the order of the manifest, and the file's sha256."""
    records = read_records(path)
    frame = check(records.frame.drop(columns="line", errors="ignore").assign(line=records.lines), TONE, path.name)
    require_known(frame["image"], records, known, path.name, manifest)
    repeated = frame["image"].duplicated().to_numpy()
    refuse(repeated, records, path.name, "image", "repeats an image; keep one row per image")
    chance = frame["darker_probability"]
    off = ((chance < 0) | (chance > 1) | (chance.isna() & frame["measured_tone"].ne(""))).to_numpy()
    refuse(off, records, path.name, "darker_probability", "a tone without a probability from 0 to 1; measure it again")
    place = pd.Index(frame["image"]).get_indexer(pd.Index(table.frame["image"]))
    if (place < 0).any():
        first = table.frame.iloc[int((place < 0).argmax())]
        raise TableError(
            f"{manifest} line {first['line']}, column image: {first['image']!r} is not in {path.name} "
            f"({int((place < 0).sum())} such); measure this manifest: facegap tone {manifest} --out {path.name}"
        )
    return frame.iloc[place].reset_index(drop=True), records.sha256


def measured_columns(tone: pd.DataFrame) -> list[Column]:
    """measured_tone with the probability of each class; measured_monk, whose uncertainty is unknown."""
    calls = tone["measured_tone"].where(tone["measured_tone"].isin(CLASSES), UNKNOWN)
    darker = tone["darker_probability"].to_numpy(np.float64)
    why = tone["outcome"].where(tone["measured_tone"] != UNKNOWN, "too uncertain to call")
    monk = tone["measured_monk"]
    colours = pd.Series([UNKNOWN if pd.isna(value) else str(value) for value in monk], dtype="str")
    nothing = np.full((len(tone), 0), np.nan)
    return [
        Column(MEASURED_TONE, "measured", calls, CLASSES, np.stack([1 - darker, darker], axis=1), reasons(why, calls)),
        Column(MEASURED_MONK, "measured", colours, (), nothing, reasons(tone["outcome"], colours), MONK_WORDS),
    ]


def reasons(why: pd.Series, labels: pd.Series) -> dict[str, int]:
    """Number of rows without a label for each reason, the most frequent first."""
    counts = why[labels == UNKNOWN].value_counts()
    return {str(reason): int(count) for reason, count in counts.items()}


# ---- annotated ----


def annotated_columns(
    path: Path, table: Manifest, known: frozenset[str], manifest: str
) -> tuple[list[Column], AnnotationsFile]:
    """The columns from annotations, and the record of the file in run.json."""
    records = read_records(path)
    annotations = checked_annotations(records, path.name)
    require_known(annotations["image"], records, known, path.name, manifest)
    scales = [ratings(annotations, name) for name in scales_of(annotations)]
    record = AnnotationsFile(
        records.sha256,
        answers=int((annotations["value"] != "").sum()),
        annotators=int(annotations["annotator"].nunique()),
        scales=tuple(found.scale.name for found in scales),
    )
    columns = []
    for found in scales:
        codes = aligned(found.codes, found.images, table.frame["image"])
        shown = table.frame["image"].isin(list(found.images)).to_numpy()
        if found.scale != LIGHTER_DARKER:
            columns.append(answers_column(f"annotated_{found.scale.name}", codes, shown, found.scale, "lower"))
        if len(scales) == 1:  # with two scales, lighter and darker would be ambiguous
            columns.append(tone_column(codes, shown, found.scale))
    return columns, record


def aligned(codes: IntArray, images: Sequence[str], rows: pd.Series) -> IntArray:
    """Codes [annotators, images] for the rows of the manifest: int64 [annotators, rows]."""
    place = pd.Index(images).get_indexer(pd.Index(rows))
    return np.where(place < 0, NO_LABEL, codes[:, place])


def tone_column(codes: IntArray, shown: BoolArray, scale: Scale) -> Column:
    """annotated_tone: every answer as lighter or darker, then the median; evenly divided answers give no label."""
    lighter = np.isin(np.array(scale.labels), lighter_labels(scale))
    sides = np.where(codes == NO_LABEL, NO_LABEL, np.where(lighter[codes], 0, 1))
    found = answers_column(ANNOTATED_TONE, sides, shown, LIGHTER_DARKER, "none")
    cut = f" ({scale.cut})" if scale.cut else ""
    words = f"{ANNOTATED_TONE}: {scale.name} {', '.join(lighter_labels(scale))} count as lighter{cut}"
    return replace(found, notes=() if scale == LIGHTER_DARKER else (words,))


def answers_column(name: str, codes: IntArray, shown: BoolArray, scale: Scale, even: Even) -> Column:
    """The consensus of the annotators of each image, and the probability of each class as their consensus."""
    size = len(scale.labels)
    found = consensus(codes, size, ordinal=scale.ordinal, even=even)
    words = np.array([*scale.labels, UNKNOWN])  # NO_LABEL is -1: the last
    labels = pd.Series(words[found.codes], dtype="str")
    why = pd.Series(np.select([~shown, found.answers == 0], ["not annotated", "skipped"], "annotators split evenly"))
    counts = label_counts(codes, size)
    tied = int(found.tied.sum()) if found.tied.any() and even != "none" else 0
    notes = [f"{name}: {tied} rows with two middle labels got {EVEN_RULES[even]}"] if tied and scale.ordinal else []
    return Column(
        name,
        "annotated",
        labels,
        scale.labels,
        answer_probabilities(counts, ordinal=scale.ordinal),
        reasons(why, labels),
        ALONE_WORDS,
        notes,
    )


# ---- checks of both files ----


def require_known(images: pd.Series, records: Records, known: frozenset[str], file: str, manifest: str) -> None:
    """Raise TableError for the first image that is not in the manifest."""
    foreign = ~images.isin(list(known)).to_numpy(dtype=bool)
    what = (
        f"is not in {manifest} ({int(foreign.sum())} such); the file belongs to another manifest, or images were "
        f"renamed"
    )
    first = repr(images.iloc[int(foreign.argmax())]) if len(images) else ""
    refuse(foreign, records, file, "image", f"{first} {what}")


def refuse(wrong: BoolArray, records: Records, file: str, column: str, what: str) -> None:
    """Raise TableError that names the first row where `wrong` is true."""
    if wrong.any():
        raise TableError(f"{file} {records.unit} {records.lines[int(wrong.argmax())]}, column {column}: {what}")
