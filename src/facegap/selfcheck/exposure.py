"""Results of simulations with a gap that depends on exposure: their row, claims, and the section of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from facegap.report.tables import TextTable
from facegap.worlds.curves import SURE, standard_error
from facegap.worlds.exposure import ExposureSetting, exposure_coverage
from facegap.worlds.layout import Claim, Section, State

LEAST_COVERAGE = 0.93
LEAST_PEOPLE = 100  # in each group, from which the required coverage applies
WORDS = {
    "through": "entirely associated with exposure",
    "half": "half associated with exposure",
    "beside": "not associated with exposure",
}


@dataclass(frozen=True)
class ExposureRow:
    """`ExposureSetting` and `ExposureOutcome` as one row; `required`: the required coverage applies."""

    people: int
    images: int
    route: str
    reliability: float
    true_gap: float
    raw_gap: float
    required: bool
    worlds: int
    coverage: float
    left: float
    raw: float
    width: float
    between: float
    marked: float
    undefined: float


def exposure_row(spec: ExposureSetting, worlds: int, seed: int) -> ExposureRow:
    """Run the simulations of a setting."""
    found = exposure_coverage(spec, worlds, seed)
    return ExposureRow(
        spec.people,
        spec.images,
        spec.route,
        spec.reliability,
        spec.true_gap,
        spec.raw_gap,
        spec.people >= LEAST_PEOPLE and spec.reliability == 1,
        found.worlds,
        found.coverage,
        found.left,
        found.raw,
        found.width,
        found.between,
        found.marked,
        found.undefined,
    )


def exposure_claims(rows: Sequence[ExposureRow]) -> list[Claim | None]:
    """The balanced gap is the true one; with a noisy covariate it lies between the true and the raw gap, and is marked."""
    return [
        coverage_claim([row for row in rows if row.required]),
        noise_claim([row for row in rows if row.reliability < 1]),
    ]


def coverage_claim(rows: Sequence[ExposureRow]) -> Claim | None:
    """Coverage of the true gap by the intervals after balancing."""
    if not rows:
        return None
    worst = min(rows, key=lambda row: row.coverage)
    excess = [(LEAST_COVERAGE - row.coverage, standard_error(LEAST_COVERAGE, row.worlds)) for row in rows]
    return Claim(
        "Gap after balancing: 95% intervals cover the truth",
        state_of(excess),
        f"For a gap that is entirely, half, or not at all associated with exposure, over {len(rows)} settings: in at "
        f"least "
        f"{worst.coverage:.3f} ± {standard_error(worst.coverage, worst.worlds):.3f} of the worlds ({LEAST_COVERAGE} "
        f"required with at least {LEAST_PEOPLE} people per group; the lowest: {described(worst)}).",
        tuple(f"{described(row)}: {row.coverage:.3f}" for row in rows if row.coverage < LEAST_COVERAGE),
    )


def noise_claim(rows: Sequence[ExposureRow]) -> Claim | None:
    """With a noisy covariate the balanced gap lies between the true and the raw gap, and is marked."""
    if not rows:
        return None
    outside = [row for row in rows if not is_between(row) or row.marked < 1]
    means = "; ".join(
        f"{described(row)}: {100 * row.left:.1f} points, between {100 * row.true_gap:.1f} and {100 * row.raw_gap:.1f}"
        for row in rows
    )
    return Claim(
        "Gap after balancing a noisy covariate: between the true and the raw gap, and marked as attenuated",
        "does not hold" if outside else "holds",
        f"Mean over the worlds, {means}. Marked in all worlds of {sum(row.marked == 1 for row in rows)} of {len(rows)} settings.",
        tuple(described(row) for row in outside),
    )


def is_between(row: ExposureRow) -> bool:
    """Whether the mean balanced gap lies between the true and the raw gap, within two Monte Carlo errors."""
    error = SURE * row.width / 3.92 / math.sqrt(row.worlds)
    low, high = sorted((row.true_gap, row.raw_gap))
    return low - error <= row.left <= high + error


def state_of(excess: Sequence[tuple[float, float]]) -> State:
    """One state of many settings. excess : distance outside the required band (negative inside), and its error"""
    if any(beyond > SURE * error for beyond, error in excess):
        return "does not hold"
    return "too few worlds to tell" if any(beyond > 0 for beyond, _ in excess) else "holds"


def described(row: ExposureRow) -> str:
    """A setting in words."""
    images = "1 image" if row.images == 1 else f"{row.images} images"
    noise = "" if row.reliability == 1 else f", reliability {row.reliability:g}"
    return f"{WORDS[row.route]}, {row.people} people per group with {images}{noise}"


def exposure_section(rows: Sequence[ExposureRow]) -> Section:
    """The section of the page."""
    return Section(
        "Gaps after balancing, compared with the truth",
        (
            "Two groups are photographed at exposures 0.8 standard deviations apart. The true gap is the gap at equal "
            "exposure. Exposure is measured exactly, or with noise: then part of the gap associated with it remains.",
        ),
        tables=(exposure_table(rows),),
    )


def exposure_table(rows: Sequence[ExposureRow]) -> TextTable:
    """The table of every setting."""
    columns = (
        "gap",
        "people",
        "images",
        "reliability",
        "true",
        "raw",
        "left, mean",
        "width",
        "coverage",
        "marked",
        "worlds",
    )
    lines = tuple(
        (
            WORDS[row.route],
            str(row.people),
            str(row.images),
            f"{row.reliability:g}",
            f"{100 * row.true_gap:.1f} points",
            f"{100 * row.raw:.1f} points",
            f"{100 * row.left:.1f} points",
            f"{100 * row.width:.1f} points",
            f"{row.coverage:.3f} ± {standard_error(row.coverage, row.worlds):.3f}",
            "attenuated" if row.marked == 1 else "",
            f"{row.worlds:,}",
        )
        for row in rows
    )
    return TextTable("Gaps after balancing exposure", columns, lines)
