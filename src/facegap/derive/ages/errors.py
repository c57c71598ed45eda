"""Signed and absolute errors of age by band of ages, standardised to equal ages, and the gaps between groups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from facegap.derive.groupings import Cells, Grouping, attribute_columns, attribute_values, cells_of
from facegap.derive.metrics import AGE_ERROR_OVER_5
from facegap.derive.outcomes import says_age, signed_age_errors
from facegap.derive.results import groupings_of, model_of
from facegap.derive.units import subject_codes, units_of_run
from facegap.inputs.manifests.labels import age_interval
from facegap.statistics.means import clustered_mean
from facegap.statistics.standardised import LEAST_UNITS, StandardisedMeans, mean_gaps, standardised_means
from facegap.store.run import Run
from facegap.tables import AGE_ERRORS, AGE_GAPS, check
from facegap.types import ANY, BoolArray, FloatArray, IntArray

ERRORS, GAPS = "age_errors.csv", "age_gaps.csv"
ALL_AGES, EQUAL_AGES = "all", "equal ages"
USUAL_BANDS = "0-99/10"
Kind = Literal["signed", "absolute"]
KINDS: tuple[Kind, ...] = ("signed", "absolute")


@dataclass(frozen=True)
class Bands:
    """Age bands of equal width, [first + k width, first + (k + 1) width - 1] in completed years."""

    first: int
    last: int
    width: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bands: first and last age, or the single year."""
        starts = range(self.first, self.last + 1, self.width)
        return tuple(str(start) if self.width == 1 else f"{start}-{start + self.width - 1}" for start in starts)

    def of(self, label: str) -> int:
        """Return the band of a labelled age; -1 for none.

        A range belongs to the band that contains all of it; a range of two years, from a year of birth, to the band of
        its later year; an open one ("70+") to the last band, if it begins in or after that.
        """
        ends = age_interval(label)
        if ends is None:
            return -1
        low, high = ends
        place, top = self._place(low), len(self.names) - 1
        if math.isinf(high):
            return top if place == top or low > self.last else -1
        later = self._place(math.floor(high))
        return later if place == later or high - low <= 1 else -1

    def _place(self, age: float) -> int:
        return int((age - self.first) // self.width) if self.first <= age < self.last + 1 else -1


def bands_of(run: Run) -> Bands:
    """The bands of --age-bands."""
    text = str(run.record.request.setting("faces", "age_bands") or USUAL_BANDS)
    ages, width = text.split("/")
    first, last = ages.split("-")
    return Bands(int(first), int(last), int(width))


@dataclass(frozen=True, eq=False)
class Material:
    """Errors of age by row of the manifest; NaN without a label or an estimate.

    bands : int64 (rows,), index of each row in `names`; -1 for none
    """

    signed: FloatArray
    bands: IntArray
    names: tuple[str, ...]
    subjects: IntArray
    units: IntArray

    def of(self, kind: Kind) -> FloatArray:
        """Return signed or absolute errors."""
        return self.signed if kind == "signed" else np.abs(self.signed)

    @property
    def known(self) -> BoolArray:
        """Rows with an error."""
        return np.isfinite(self.signed)


def age_error_tables(run: Run) -> dict[str, pd.DataFrame]:
    """The tables of errors of age by file name; none if no age was both estimated and labelled."""
    if not says_age(run):
        return {}
    bands, subjects, units = bands_of(run), subject_codes(run.manifest), units_of_run(run)
    labels = run.manifest["age"].astype(str)
    of_label = {label: bands.of(label) for label in labels.unique()}
    places = np.array([of_label[label] for label in labels], np.int64)
    signed = signed_age_errors(run.predictions, run.manifest)
    material = Material(signed, places, bands.names, subjects, subjects if units is None else units)
    if not material.known.any():
        return {}
    errors = [row for grouping in groupings_of(run) for row in error_rows(run, material, grouping)]
    gaps = [row for grouping in groupings_of(run)[1:] for row in gap_rows(run, material, grouping)]
    found = {ERRORS: check(pd.DataFrame(errors), AGE_ERRORS, ERRORS)}
    return found | ({GAPS: check(pd.DataFrame(gaps), AGE_GAPS, GAPS)} if gaps else {})


# ---- which ages are compared ----


def large_groups(run: Run, material: Material, cells: Cells) -> list[int]:
    """Groups with known labels and enough effective units to be ranked: (sum n)^2 / sum n^2 over the images n of each."""
    found = []
    for k in range(len(cells.groups)):
        counts = np.bincount(material.units[(cells.codes == k) & material.known]).astype(np.float64)
        squares = float((counts**2).sum())
        if cells.known[k] and squares and counts.sum() ** 2 / squares >= run.record.min_subjects:
            found.append(k)
    return found


def common_bands(material: Material, cells: Cells, groups: Sequence[int]) -> list[int]:
    """Bands in which each of some groups has at least two sampling units."""
    return [
        band
        for band in range(len(material.names))
        if groups
        and all(
            len(np.unique(material.units[(cells.codes == k) & (material.bands == band) & material.known]))
            >= LEAST_UNITS
            for k in groups
        )
    ]


def at_equal_ages(run: Run, material: Material, cells: Cells, common: Sequence[int], kind: Kind) -> StandardisedMeans:
    """The mean error of every group, with equal weights of the common bands."""
    shares = np.zeros(len(material.names))
    shares[list(common)] = 1 / len(common)
    known = material.known
    return standardised_means(
        material.of(kind)[known],
        material.units[known],
        cells.codes[known],
        material.bands[known],
        n_groups=len(cells.groups),
        shares=shares,
        level=run.record.level,
    )


def weights_text(material: Material, common: Sequence[int]) -> str:
    """Description of the weights of bands."""
    if not common:
        return ""
    return f"1/{len(common)} each: {', '.join(material.names[band] for band in common)}"


# ---- the rows ----


def error_rows(run: Run, material: Material, grouping: Grouping) -> Iterator[dict[str, Any]]:
    """Mean errors of each group over all its images, by band, and at equal ages; finally the mean over groups and bands."""
    attributes, cells = attribute_columns(groupings_of(run)), cells_of(run.manifest, grouping)
    model = model_of(run, AGE_ERROR_OVER_5.name)
    large = large_groups(run, material, cells)
    common = common_bands(material, cells, large) if grouping else []
    equal = {kind: at_equal_ages(run, material, cells, common, kind) for kind in KINDS} if common else None
    for k, group in enumerate(cells.groups):
        head = {"family": "*".join(grouping), "model": model, **attribute_values(group, attributes)}
        inside = (cells.codes == k) & material.known
        yield head | {"ages": ALL_AGES, "weights": ""} | plain_means(run, material, inside)
        for band in np.unique(material.bands[inside]):
            if band >= 0:
                chosen = inside & (material.bands == band)
                yield head | {"ages": material.names[band], "weights": ""} | plain_means(run, material, chosen)
        if equal is not None:
            chosen = inside & np.isin(material.bands, common)
            yield (
                head
                | {"ages": EQUAL_AGES, "weights": weights_text(material, common)}
                | counts(material, chosen)
                | {
                    f"{kind}_{name}": float(getattr(found, end)[k])
                    for kind, found in equal.items()
                    for name, end in (("error", "value"), ("low", "low"), ("high", "high"))
                }
                | {"level": run.record.level}
            )
    if equal is not None:
        yield pooled_row(run, material, grouping, cells, large, common)


def pooled_row(
    run: Run, material: Material, grouping: Grouping, cells: Cells, large: Sequence[int], common: Sequence[int]
) -> dict[str, Any]:
    """The mean over groups and bands with equal weights of cells; for two sexes and the years 18 to 30 it is that of NIST."""
    bands, groups = len(material.names), len(cells.groups)
    shares = np.zeros(groups * bands)
    shares[[k * bands + band for k in large for band in common]] = 1 / (len(large) * len(common))
    usable = material.known & (material.bands >= 0)
    places = cells.codes * bands + material.bands
    chosen = usable & (shares[np.where(usable, places, 0)] > 0)
    means = {
        kind: standardised_means(
            material.of(kind)[chosen],
            material.units[chosen],
            np.zeros(int(chosen.sum()), np.int64),
            places[chosen],
            n_groups=1,
            shares=shares,
            level=run.record.level,
        )
        for kind in KINDS
    }
    return {
        "family": "*".join(grouping),
        "model": model_of(run, AGE_ERROR_OVER_5.name),
        **dict.fromkeys(attribute_columns(groupings_of(run)), ANY),
        "ages": EQUAL_AGES,
        "weights": f"1/{len(large) * len(common)} each: {len(large)} groups x {len(common)} ages "
        f"({', '.join(material.names[band] for band in common)})",
        **counts(material, chosen),
        **{
            f"{kind}_{name}": float(getattr(found, end)[0])
            for kind, found in means.items()
            for name, end in (("error", "value"), ("low", "low"), ("high", "high"))
        },
        "level": run.record.level,
    }


def counts(material: Material, chosen: BoolArray) -> dict[str, int]:
    """Numbers of images and people."""
    return {"images": int(chosen.sum()), "subjects": len(np.unique(material.subjects[chosen]))}


def plain_means(run: Run, material: Material, chosen: BoolArray) -> dict[str, Any]:
    """Mean errors of some images, with equal weights of images."""
    found: dict[str, Any] = counts(material, chosen)
    for kind in KINDS:
        mean = clustered_mean(material.of(kind)[chosen], material.units[chosen], level=run.record.level)
        found |= {f"{kind}_error": mean.value, f"{kind}_low": mean.low, f"{kind}_high": mean.high}
    return found | {"level": run.record.level}


def gap_rows(run: Run, material: Material, grouping: Grouping) -> Iterator[dict[str, Any]]:
    """The gaps of mean errors at equal ages between the groups of one grouping; signed and absolute are separate families."""
    cells = cells_of(run.manifest, grouping)
    large = large_groups(run, material, cells)
    common = common_bands(material, cells, large)
    if not common or len(large) < 2:
        return
    tested = np.isin(np.arange(len(cells.groups)), large)
    margin = float(run.record.request.setting("faces", "age_margin") or 1.0)
    for kind in KINDS:
        found = at_equal_ages(run, material, cells, common, kind)
        for gap in mean_gaps(found, tested, margin=margin, alpha=run.record.alpha):
            yield {
                "metric": f"age_{kind}_error",
                "model": model_of(run, AGE_ERROR_OVER_5.name),
                "family": "*".join(grouping),
                "group_a": str(cells.groups[gap.first]),
                "group_b": str(cells.groups[gap.second]),
                "error_a": float(found.value[gap.first]),
                "error_b": float(found.value[gap.second]),
                "images_a": int(found.values[gap.first]),
                "images_b": int(found.values[gap.second]),
                "difference": gap.difference,
                "difference_low": gap.low,
                "difference_high": gap.high,
                "p": gap.p,
                "p_adjusted": gap.p_adjusted,
                "margin": margin,
                "differs": gap.differs,
                "verdict": gap.verdict,
                "decided_low": gap.decided_low,
                "decided_high": gap.decided_high,
                "decided_level": gap.decided_level,
                "weights": weights_text(material, common),
            }
