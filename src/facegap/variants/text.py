"""The output of `facegap variants`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facegap.report.tables import TextTable
from facegap.report.text import clean, percent
from facegap.types import AnyArray, FloatArray
from facegap.variants.crops import Crops
from facegap.variants.make import Made, Measure

WHAT: Mapping[Measure, str] = {
    "cosine": "cosine with the parent's template (median, minimum)",
    "agreement": "same predictions as the parent",
    "difference": "difference from the parent's age or quality (median, maximum)",
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
                rows.append(
                    (made.card.name, size, clean(group), str(len(inside)), alike(made.measure, made.alike[inside]))
                )
    note = (
        "Measured on the calibration images. To see in which groups errors increase, audit both and compare the runs "
        "with facegap compare."
    )
    return TextTable("variants", ("card", "size", "group", "crops", WHAT[found[0].measure]), tuple(rows), notes=(note,))


def alike(measure: Measure, values: FloatArray) -> str:
    """The numbers of one group."""
    if measure == "cosine":
        return f"{np.median(values):.4f}, {values.min():.4f}"
    if measure == "agreement":
        return percent(float(values.mean()), 1)
    return f"{np.median(np.abs(values)):.4g}, {np.abs(values).max():.4g}"


def warnings(crops: Crops, wanted: int) -> list[str]:
    """Warnings about the calibration images."""
    found = []
    if crops.lost:
        lost = ", ".join(f"{outcome} {count:,}" for outcome, count in crops.lost.items())
        found.append(f"Images without a usable crop, replaced by others: {lost}.")
    if len(crops.pixels) < wanted:
        found.append(f"The manifest yields {len(crops.pixels):,} crops, fewer than the {wanted:,} requested.")
    return found
