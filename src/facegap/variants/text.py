"""What `facegap variants` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facegap.inputs.cards.schema import Task
from facegap.report.tables import TextTable
from facegap.report.text import clean, percent
from facegap.types import AnyArray, FloatArray
from facegap.variants.crops import Crops
from facegap.variants.make import Made

WHAT: Mapping[Task, str] = {
    "embed": "cosine to the parent's template (median, least)",
    "classify": "same answer as the parent (age alone: median and greatest difference)",
    "quality": "difference to the parent's quality (median, greatest)",
}
MOST_GROUPS = 20


def variants_table(found: Sequence[Made], places: Mapping[str, AnyArray]) -> TextTable:
    """A row per variant and group."""
    rows = []
    for made in found:
        everybody = {"everybody": np.arange(len(made.alike)), **dict(list(places.items())[:MOST_GROUPS])}
        for group, inside in everybody.items():
            if len(inside):
                size = f"{len(made.content) / 1e6:.2f} of {made.parent_bytes / 1e6:.2f} MB"
                rows.append((made.card.name, size, clean(group), str(len(inside)), alike(made, made.alike[inside])))
    task = found[0].card.task
    note = "On the images that they were calibrated on. Whom a variant costs: audit both and facegap compare the runs."
    return TextTable("variants", ("card", "size", "group", "crops", WHAT[task]), tuple(rows), notes=(note,))


def alike(made: Made, values: FloatArray) -> str:
    """The numbers of one group."""
    if made.card.task == "embed":
        return f"{np.median(values):.4f}, {values.min():.4f}"
    if made.card.task == "classify" and set(np.unique(values)) <= {0.0, 1.0}:
        return percent(float(values.mean()), 1)
    return f"{np.median(np.abs(values)):.4g}, {np.abs(values).max():.4g}"


def warnings(crops: Crops, wanted: int) -> list[str]:
    """What a reader must know of the calibration images."""
    said = []
    if crops.lost:
        lost = ", ".join(f"{outcome} {count:,}" for outcome, count in crops.lost.items())
        said.append(f"Images that gave no crop and were replaced by others: {lost}.")
    if len(crops.pixels) < wanted:
        said.append(f"The manifest gives {len(crops.pixels):,} crops, fewer than the {wanted:,} asked for.")
    return said
