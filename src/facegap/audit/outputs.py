"""Outputs of a model besides gender and age, checked against the manifest before the first image."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from facegap.derive.answers import BONA_FIDE, bona_fide_rejected
from facegap.derive.metrics_of_outputs import WORD
from facegap.errors import TableError
from facegap.inputs.cards.categories import Category, class_word
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.inputs.manifests.read import Manifest
from facegap.store.record import OutputRecord
from facegap.store.run import Run

MOST_SPECIES = 20
FEWEST_REJECTED, REJECTED = 20, 0.9  # presentations, and the proportion of them
NEARLY_BONA_FIDE = frozenset(("bonafide", "genuine", "real", "live", "alive", "true", "no", "none", "0"))


def outputs_of(table: Manifest, categories: Mapping[str, Category]) -> tuple[OutputRecord, ...]:
    """The record of every output: its classes, and the column with the true class, if the manifest has one.

    Raises
    ------
    TableError : if the manifest lacks a column that a card names, or a label is not a class (with its line and the remedy)
    """
    return tuple(output_record(table, name, category) for name, category in categories.items())


def output_record(table: Manifest, name: str, category: Category) -> OutputRecord:
    """One output."""
    column = category.label or name
    has_labels = column in table.labels
    made = OutputRecord(
        name,
        tuple(category.classes),
        column if has_labels else "",
        category.bona_fide or "",
        law=category.law or "",
    )
    if not has_labels:
        return made
    if category.bona_fide is None:
        require_classes(table, column, category.classes)
        return made
    return OutputRecord(
        made.name, made.classes, made.label, made.bona_fide, species_of(table, column, category), made.law
    )


def require_classes(table: Manifest, column: str, classes: Sequence[str]) -> None:
    """Raise TableError for the first label that is not a class."""
    for word, line in first_lines(table, column).items():
        if class_word(word) not in classes:
            near = difflib.get_close_matches(class_word(word), classes, n=1)
            hint = f"; translate it: --map {column}:{word}={near[0] if near else 'CLASS'}"
            raise TableError(
                f"{table.name} line {line}, column {column}: {word!r} is not one of the classes "
                f"{', '.join(classes)}{hint}, or leave the cell empty"
            )


def species_of(table: Manifest, column: str, category: Category) -> tuple[str, ...]:
    """The species of attack in a column, in order of appearance; an empty cell is not a species.

    Raises
    ------
    TableError : if a word could also be bona fide, is not a valid name, or there are too many species
    """
    found: dict[str, int] = {}
    for word, line in first_lines(table, column).items():
        where, meant = f"{table.name} line {line}, column {column}", class_word(word)
        if meant in (BONA_FIDE, category.bona_fide):
            continue
        if meant in NEARLY_BONA_FIDE:
            raise TableError(
                f"{where}: {word!r} could be a bona fide presentation or an attack with that name; translate it: "
                f"--map {column}:{word}={BONA_FIDE}"
            )
        if not re.fullmatch(WORD, meant):
            raise TableError(
                f"{where}: {word!r} is not a valid name of an attack species; write {BONA_FIDE}, or a name of a-z, "
                f"0-9 and _ such as print, replay or mask"
            )
        found.setdefault(meant, line)
    if len(found) > MOST_SPECIES:
        raise TableError(
            f"{table.name}, column {column}: {len(found)} attack species ({', '.join(list(found)[:4])}, ...); at most "
            f"{MOST_SPECIES} are distinguished; merge them with --map"
        )
    return tuple(sorted(found))


def first_lines(table: Manifest, column: str) -> dict[str, int]:
    """Each label of a column with the line of its first occurrence."""
    frame = table.frame
    first = frame[frame[column] != UNKNOWN].drop_duplicates(column)
    return {str(word): int(line) for word, line in zip(first[column], first["line"], strict=True)}


def output_warnings(outputs: Sequence[OutputRecord]) -> list[str]:
    """Notes on each output: legal restrictions, and what is not evaluated."""
    said = []
    for output in outputs:
        if output.law:
            said.append(f"{output.name}: {output.law}")
        if output.bona_fide and not output.label:
            said.append(
                f"{output.name}: no column says which images are attacks, so every image counts as a bona fide "
                f"presentation; the proportion of attacks accepted is not measured"
            )
        elif not output.label:
            said.append(
                f"{output.name}: no column contains the true class, so predictions are counted but none is correct "
                f"or wrong; the true rates may differ between groups"
            )
    return said


def rejected_alarms(run: Run) -> list[str]:
    """A warning if nearly all bona fide presentations are classified as attacks, as happens with a wrong input scale."""
    found = bona_fide_rejected(run)
    if found is None:
        return []
    trials, errors = int(found[0].sum()), int(found[1].sum())
    if trials < FEWEST_REJECTED or errors < REJECTED * trials:
        return []
    return [
        f"{errors:,} of {trials:,} bona fide presentations are classified as attacks, as happens with a wrong scale "
        f"or crop; facegap doctor tries others for {run.record.models['classify']}"
    ]
