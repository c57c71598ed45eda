"""Results of simulations with heterogeneous people: claims, and the table of their settings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from facegap.report.tables import TextTable
from facegap.report.text import number, rough_percent
from facegap.selfcheck.rows import CrowdRow
from facegap.statistics.gaps import ALPHA
from facegap.worlds.crowd_rates import ENOUGH_ERRORS, WIDEST
from facegap.worlds.curves import SURE, standard_error
from facegap.worlds.layout import Claim, Section, State

MOST_NAMED = 5
LAWS = {
    "alike": "people alike",
    "beta": "people differ (icc {0:g})",
    "probit": "people differ (rho {0:g})",
    "goats": "{1} of the people have most errors",
    "heavy": "a few people have very many errors (sigma {0:g})",
    "with images": "errors increase with the number of images (power {0:g})",
    "many images": "people with many images have errors {0:g} times as often",
    "bad images": "{1} of the images fail",
    "sessions": "photographed in sessions (icc {0:g})",
    "pairs": "pairs of people differ ({0:g} of the variance)",
    "wolves": "{1} of the people match anyone",
    "lookalikes": "lookalikes have {1} of the false matches",
    "relatives": "relatives have {1} of the false matches",
    "twins": "twins have {1} of the false matches",
}


def crowd_claims(rows: Sequence[CrowdRow]) -> list[Claim | None]:
    """Coverage, width and false alarms with heterogeneous people, and warnings if a few people have most errors."""
    required = [row for row in rows if row.required]
    return [coverage_claim(required), width_claim(required), alarm_claim(rows), few_claim(rows)]


def coverage_claim(rows: Sequence[CrowdRow]) -> Claim | None:
    """Coverage of intervals under laws that were not used for tuning."""
    if not rows:
        return None
    shares = [(row, share) for row in rows for share in (row.coverage, row.per_person, row.gap_coverage)]
    below = sorted({row for row, share in shares if share < row.floor}, key=least)
    worst = min(rows, key=lambda row: least(row) - row.floor)
    return Claim(
        "Heterogeneous people: 95% intervals of rates and gaps cover the truth",
        state_of([(row.floor - share, standard_error(row.floor, row.worlds)) for row, share in shares]),
        f"Of the rate per trial, the rate with equal weight for each person, and the gap between two groups, over "
        f"{len(rows)} settings: "
        f"in at least {least(worst):.3f} of the worlds (required: 0.93 with at least 40 sampling units, 0.90 with "
        f"fewer; the lowest: "
        f"{described(worst)}).",
        named([f"{described(row)}: {least(row):.3f} ± {standard_error(least(row), row.worlds):.3f}" for row in below]),
    )


def least(row: CrowdRow) -> float:
    """The lowest of the three coverages of a setting."""
    return min(row.coverage, row.per_person, row.gap_coverage)


def width_claim(rows: Sequence[CrowdRow]) -> Claim | None:
    """Intervals are not too wide."""
    enough = [row for row in rows if row.errors >= ENOUGH_ERRORS and not math.isnan(row.width)]
    if not enough:
        return None
    widest = max(enough, key=lambda row: row.width)
    wide = [row for row in enough if row.width > WIDEST]
    # The width is a ratio of quantiles; with 400 simulations its Monte Carlo error is about a twentieth.
    return Claim(
        "Heterogeneous people: intervals are not too wide",
        state_of([(row.width - WIDEST, WIDEST / math.sqrt(row.worlds)) for row in enough]),
        f"If at least {ENOUGH_ERRORS} errors are expected ({len(enough)} settings) the median interval is at most "
        f"{widest.width:.2f} times as wide as the central 95% range of the estimate over the worlds ({WIDEST:g} allowed).",
        named([f"{described(row)}: {row.width:.2f}" for row in wide]),
    )


def alarm_claim(rows: Sequence[CrowdRow]) -> Claim | None:
    """A gap is seldom found if none was planted, whether or not a few people have most errors."""
    if not rows:
        return None
    worst = max(rows, key=lambda row: row.false_alarm)
    outside = [row for row in rows if row.false_alarm > ALPHA]
    return Claim(
        "Heterogeneous people: no gap is found if none was planted",
        state_of([(row.false_alarm - ALPHA, standard_error(ALPHA, row.worlds)) for row in rows]),
        f"Proportion of worlds with a false gap anywhere in the family: at most {worst.false_alarm:.3f} ± "
        f"{standard_error(worst.false_alarm, worst.worlds):.3f} over {len(rows)} families (0.05 allowed).",
        named([f"{described(row)}: {row.false_alarm:.3f}" for row in outside]),
    )


def few_claim(rows: Sequence[CrowdRow]) -> Claim | None:
    """How often rates dominated by a few people are marked."""
    few = [row for row in rows if not row.required]
    if not few:
        return None
    worst = max(few, key=lambda row: row.missed)
    return Claim(
        "A few people with most of the errors",
        "reported",
        f"A group may contain none of them, and then the problem cannot be detected: in up to {worst.missed:.3f} of "
        f"the worlds the interval misses "
        f"and the rate is not named as dominated ({described(worst)}). It is named in "
        f"{min(row.dominated for row in few):.2f} to {max(row.dominated for row in few):.2f} of the worlds, and then "
        f"a gap that depends on it has no verdict.",
    )


def state_of(excess: Sequence[tuple[float, float]]) -> State:
    """One state of many settings. excess : distance outside the required band (negative inside), and its error"""
    if any(beyond > SURE * error for beyond, error in excess):
        return "does not hold"
    return "too few worlds to tell" if any(beyond > 0 for beyond, _ in excess) else "holds"


def crowd_section(rows: Sequence[CrowdRow]) -> Section:
    """The section of the page."""
    return Section(
        "Coverage with heterogeneous people",
        (
            "People have very unequal numbers of images, the errors increase with that number, or a few people have "
            "most of them. The "
            "estimand is named in each row: the rate of the population per image or pair of images. Width is the median width of "
            "the intervals over the central 95% range of the estimate over the worlds.",
        ),
        (),
        (crowd_table(rows),),
    )


def crowd_table(rows: Sequence[CrowdRow]) -> TextTable:
    """The table of every setting."""
    columns = (
        "setting",
        "errors",
        "worlds",
        "coverage",
        "width",
        "equal weights for people: coverage",
        "width",
        "gap: coverage",
        "false alarms",
        "dominated",
        "misses unnamed",
    )
    lines = tuple(
        (
            described(row),
            number(row.errors, 0),
            f"{row.worlds:,}",
            share(row.coverage, row.worlds),
            number(row.width),
            share(row.per_person, row.worlds),
            number(row.person_width),
            share(row.gap_coverage, row.worlds),
            f"{share(row.false_alarm, row.worlds)} ({row.groups} groups)",
            f"{row.dominated:.2f}",
            f"{row.missed:.3f}",
        )
        for row in rows
    )
    return TextTable("Heterogeneous people, every setting", columns, lines)


def share(value: float, worlds: int) -> str:
    """A proportion of simulations with its Monte Carlo error."""
    return f"{value:.3f} ± {standard_error(value, worlds):.3f}"


def described(row: CrowdRow) -> str:
    """A setting in words."""
    people = f"{row.people} people" if row.units == row.people else f"{row.people} people in {row.units} sessions"
    return f"{row.estimand}, {people}, {images_in_words(row)}, {rough_percent(row.rate)}, {law_in_words(row)}"


def images_in_words(row: CrowdRow) -> str:
    """The number of images per person."""
    fewest = 2 if row.kind == "genuine" else 1
    if row.images == "equal":
        return f"{row.most} image{'s' if row.most > 1 else ''} each"
    return f"{fewest} to {row.most} images ({row.images})"


def law_in_words(row: CrowdRow) -> str:
    """The law of the errors."""
    return LAWS[row.errs].format(row.strength, rough_percent(row.strength))


def named(said: Sequence[str]) -> tuple[str, ...]:
    """The first few, and the number of others."""
    more = len(said) - MOST_NAMED
    return (*said[:MOST_NAMED], f"and {more} more") if more > 0 else tuple(said)
