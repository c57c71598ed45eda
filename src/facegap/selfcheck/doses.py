"""Results of simulated stress tests: their row, claims, and the section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facegap.report.tables import TextTable
from facegap.selfcheck.exposure import state_of
from facegap.worlds.curves import standard_error
from facegap.worlds.doses import ALPHA, DoseSetting, dose_outcome
from facegap.worlds.layout import Claim, Section

LEAST_COVERAGE = 0.93


@dataclass(frozen=True)
class DoseRow:
    """`DoseSetting` and `DoseOutcome` as one row."""

    people: int
    images: int
    doses: int
    planted: float
    worlds: int
    alarms: float
    found: float
    coverage: float
    width: float


def dose_row(spec: DoseSetting, worlds: int, seed: int) -> DoseRow:
    """Run the simulations of a setting."""
    seen = dose_outcome(spec, worlds, seed)
    return DoseRow(
        spec.people,
        spec.images,
        spec.doses,
        spec.planted,
        seen.worlds,
        seen.alarms,
        seen.found,
        seen.coverage,
        seen.width,
    )


def dose_claims(rows: Sequence[DoseRow]) -> list[Claim | None]:
    """No larger increase is reported without a planted one; planted ones are covered, and their power is reported."""
    return [alarm_claim(rows), coverage_claim(rows)]


def alarm_claim(rows: Sequence[DoseRow]) -> Claim | None:
    """A larger increase is seldom reported at doses without one."""
    if not rows:
        return None
    worst = max(rows, key=lambda row: row.alarms)
    return Claim(
        "Perturbed images: no larger rise is reported if both groups rise equally",
        state_of([(row.alarms - ALPHA, standard_error(ALPHA, row.worlds)) for row in rows]),
        f"At any dose without one, in at most {worst.alarms:.3f} ± {standard_error(worst.alarms, worst.worlds):.3f} of the worlds of "
        f"{len(rows)} settings ({ALPHA:g} allowed; the most: {described(worst)}).",
        tuple(f"{described(row)}: {row.alarms:.3f}" for row in rows if row.alarms > ALPHA),
    )


def coverage_claim(rows: Sequence[DoseRow]) -> Claim | None:
    """Coverage of the planted difference of changes."""
    if not rows:
        return None
    worst = min(rows, key=lambda row: row.coverage)
    excess = [(LEAST_COVERAGE - row.coverage, standard_error(LEAST_COVERAGE, row.worlds)) for row in rows]
    found = "; ".join(f"{described(row)}: found in {row.found:.2f} of the worlds" for row in rows if row.planted > 0)
    return Claim(
        "Perturbed images: 95% intervals cover the difference of the changes",
        state_of(excess),
        f"Over {len(rows)} settings in at least {worst.coverage:.3f} ± "
        f"{standard_error(worst.coverage, worst.worlds):.3f} of the worlds ({LEAST_COVERAGE} required; the lowest: "
        f"{described(worst)}).{f' Planted, {found}.' if found else ''}",
        tuple(f"{described(row)}: {row.coverage:.3f}" for row in rows if row.coverage < LEAST_COVERAGE),
    )


def described(row: DoseRow) -> str:
    """A setting in words."""
    images = "1 image" if row.images == 1 else f"{row.images} images"
    planted = f"{100 * row.planted:g} points more" if row.planted else "rising alike"
    return f"{planted}, {row.people} people per group with {images}, {row.doses} doses"


def dose_section(rows: Sequence[DoseRow]) -> Section:
    """The section of the page."""
    return Section(
        "Detection of a group whose errors rise more in a stress test",
        (
            "Errors of two groups at several doses of a perturbation, each person their own control. They rise equally, or "
            "by more in one group at the last dose; all doses are one family.",
        ),
        tables=(dose_table(rows),),
    )


def dose_table(rows: Sequence[DoseRow]) -> TextTable:
    """The table of every setting."""
    columns = ("planted", "people", "images", "doses", "false alarms", "found", "coverage", "width", "worlds")
    lines = tuple(
        (
            f"{100 * row.planted:g} points",
            str(row.people),
            str(row.images),
            str(row.doses),
            f"{row.alarms:.3f}",
            f"{row.found:.3f}" if row.planted else "",
            f"{row.coverage:.3f}",
            f"{100 * row.width:.1f} points",
            f"{row.worlds:,}",
        )
        for row in rows
    )
    return TextTable("Larger rises of an error under perturbations", columns, lines)
