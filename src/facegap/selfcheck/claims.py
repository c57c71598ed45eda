"""Claims from simulation results: which requirements hold, which do not, and where too few simulations were run to tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from facegap.derive.metrics import metric_of
from facegap.report.text import rough_percent
from facegap.selfcheck.crowds import crowd_claims, state_of
from facegap.selfcheck.doses import DoseRow, dose_claims
from facegap.selfcheck.exposure import ExposureRow, exposure_claims
from facegap.selfcheck.rows import CoverageRow, CrowdRow, FamilyRow, LabelRow, PowerRow, Row, SearchRow
from facegap.statistics.gaps import ALPHA
from facegap.statistics.verdicts import POWER, WITHIN
from facegap.worlds.curves import standard_error
from facegap.worlds.families import NO_GAP, SMALLER, merged
from facegap.worlds.layout import Claim
from facegap.worlds.rates import BAND_CEILING, ENOUGH_ERRORS, WIDTH_CEILING

WORLDS_OF_A_BAND = 2_000  # for which the requirements are defined
MOST_NAMED = 5
KIND_TITLES = {
    "classification": "Error rates of a classifier",
    "genuine": "False non-match rates",
    "impostor": "False match rates",
    "across": "False match rates between two groups",
}


def claims_of(rows: Sequence[Row]) -> tuple[Claim, ...]:
    """Every claim that the rows of a study support, those with a requirement first."""
    coverage = [row for row in rows if isinstance(row, CoverageRow)]
    families = [row for row in rows if isinstance(row, FamilyRow)]
    powers = [row for row in rows if isinstance(row, PowerRow)]
    required = [row for row in coverage if row.required]
    found = [coverage_claim(kind, [row for row in required if row.kind == kind]) for kind in KIND_TITLES]
    found += crowd_claims([row for row in rows if isinstance(row, CrowdRow)])
    found += exposure_claims([row for row in rows if isinstance(row, ExposureRow)])
    found += dose_claims([row for row in rows if isinstance(row, DoseRow)])
    found += [width_claim(required), false_alarm_claim(families), honesty_claim([*families, *powers])]
    found += [naive_claim(required), stronger_claim([row for row in coverage if not row.required])]
    found += [power_claim(powers), search_claim([row for row in rows if isinstance(row, SearchRow)])]
    found += [label_claim([row for row in rows if isinstance(row, LabelRow)])]
    return tuple(claim for claim in found if claim is not None)


def coverage_claim(kind: str, rows: Sequence[CoverageRow]) -> Claim | None:
    """Coverage of the intervals of one kind of rate."""
    if not rows:
        return None
    excess = [(row.floor - row.facegap, standard_error(row.floor, row.worlds)) for row in rows]
    outside = sorted((row for row in rows if row.facegap < row.floor), key=lambda row: row.facegap - row.floor)
    many = [row.facegap for row in rows if row.subjects >= 40]
    few = [row.facegap for row in rows if row.subjects < 40]
    parts = [f"{span(many)} with at least 40 subjects (0.93 required)"] if many else []
    parts += [f"{span(few)} with fewer (0.90 required)"] if few else []
    return Claim(
        f"{KIND_TITLES[kind]}: 95% intervals cover the truth",
        state_of(excess),
        f"Proportion of worlds whose interval covers the planted rate: {' and '.join(parts)}, over {settings(rows)}"
        + (f"; {len(outside)} below." if outside else "."),
        named(outside, lambda row: f"{row.facegap:.3f} ± {standard_error(row.facegap, row.worlds):.3f}"),
    )


def width_claim(rows: Sequence[CoverageRow]) -> Claim | None:
    """Intervals are not too wide."""
    enough = [row for row in rows if row.expected_errors >= ENOUGH_ERRORS]
    if not enough:
        return None
    excess = [(row.facegap - BAND_CEILING, standard_error(BAND_CEILING, row.worlds)) for row in enough]
    excess += [(row.width - WIDTH_CEILING, 0.0) for row in enough]
    outside = [row for row in enough if row.facegap > BAND_CEILING or row.width > WIDTH_CEILING]
    return Claim(
        "Intervals are not too wide",
        state_of(excess),
        f"If at least {ENOUGH_ERRORS} errors are expected ({settings(enough)}), they cover the truth in at most "
        f"{max(row.facegap for row in enough):.3f} of the worlds ({BAND_CEILING} allowed), and are at the median "
        f"{max(row.width for row in enough):.2f} times as wide as by the published formula at most ({WIDTH_CEILING:g} allowed).",
        named(outside, lambda row: f"coverage {row.facegap:.3f}, width {row.width:.2f}"),
    )


def false_alarm_claim(rows: Sequence[FamilyRow]) -> Claim | None:
    """A gap is seldom found if none was planted."""
    alike = [row for row in rows if not math.isnan(row.false_alarm)]
    if not alike:
        return None
    worst = max(alike, key=lambda row: row.false_alarm)
    return Claim(
        "No gap is found if none was planted",
        state_of([(row.false_alarm - ALPHA, standard_error(ALPHA, row.worlds)) for row in alike]),
        "Proportion of worlds with a false verdict 'gap' (or one larger than the margin) anywhere in the family: at most "
        f"{worst.false_alarm:.3f} ± "
        f"{standard_error(worst.false_alarm, worst.worlds):.3f} over {families_of(alike)} (0.05 allowed).",
        tuple(f"{row.name}: {row.false_alarm:.3f}" for row in alike if row.false_alarm > ALPHA),
    )


def honesty_claim(rows: Sequence[FamilyRow | PowerRow]) -> Claim | None:
    """A gap as large as the margin is seldom called smaller."""
    proportions = [(row, share) for row in rows if (share := dishonest(row)) is not None]
    if not proportions:
        return None
    worst, most = max(proportions, key=lambda pair: pair[1])
    outside = sorted((pair for pair in proportions if pair[1] > ALPHA), key=lambda pair: -pair[1])
    return Claim(
        "'no gap larger than d' is reliable",
        state_of([(share - ALPHA, standard_error(ALPHA, row.worlds)) for row, share in proportions]),
        f"Proportion of worlds in which a gap of the margin or more is called smaller: at most {most:.3f} ± "
        f"{standard_error(most, worst.worlds):.3f} over {families_of(proportions)} (0.05 allowed).",
        tuple(
            f"{family_in_words(row)}: {share:.3f} ± {standard_error(share, row.worlds):.3f}" for row, share in outside
        ),
    )


def dishonest(row: FamilyRow | PowerRow) -> float | None:
    """Proportion of simulations in which a gap of the margin or more is called smaller; None without such a gap."""
    if isinstance(row, FamilyRow):
        return None if math.isnan(row.dishonest) else row.dishonest
    said = {size: verdicts for size, verdicts in row.confusion.items() if size not in (NO_GAP, SMALLER)}
    if not said or row.groups > 2:  # with more groups the confusion counts gaps, not simulations
        return None
    return sum(verdicts[WITHIN] for verdicts in said.values()) / row.worlds


def family_in_words(row: FamilyRow | PowerRow) -> str:
    """A family by its name, or by its planted gap."""
    if isinstance(row, FamilyRow):
        return row.name
    size = f"a ratio of {row.gap:g}" if metric_of(row.metric).is_ratio else f"{100 * row.gap:g} points"
    return f"{row.kind}, {row.groups} groups of {row.subjects} subjects, {rough_percent(row.rate)}, {size}"


def naive_claim(rows: Sequence[CoverageRow]) -> Claim | None:
    """For comparison: intervals that treat trials as independent fail the same requirement."""
    if not rows:
        return None
    low = [row for row in rows if row.naive < row.floor]
    worst = min(rows, key=lambda row: row.naive)
    return Claim(
        "For comparison: every image or pair as an independent trial",
        "reported",
        f"Wilson's interval on the trials falls below the same requirement in {len(low)} of {settings(rows)}; at worst it "
        f"covers the truth in {worst.naive:.3f} of the worlds ({described(worst)}).",
    )


def stronger_claim(rows: Sequence[CoverageRow]) -> Claim | None:
    """Settings without a requirement."""
    if not rows:
        return None
    worst = min(rows, key=lambda row: row.facegap)
    return Claim(
        "Stronger effects, rates between groups, fewer than 10 subjects",
        "reported",
        f"The intervals cover the truth in {span([row.facegap for row in rows])} of the worlds over {settings(rows)}; "
        f"the lowest: {described(worst)}.",
    )


def power_claim(rows: Sequence[PowerRow]) -> Claim | None:
    """The number of subjects from which a planted gap is found."""
    if not rows:
        return None
    curves: dict[tuple[object, ...], list[PowerRow]] = {}
    for row in rows:
        key = (row.kind, row.rate, row.images, row.effect, row.strength, row.groups, row.gap)
        curves.setdefault(key, []).append(row)
    sentences = []
    for points in curves.values():
        first = points[0]
        enough = [row.subjects for row in points if row.found >= POWER]
        size = f"a ratio of {first.gap:g}" if metric_of(first.metric).is_ratio else f"{100 * first.gap:g} points"
        reach = str(min(enough)) if enough else f"more than {max(row.subjects for row in points)}"
        where = f"{KIND_TITLES[first.kind]}, {rough_percent(first.rate)} in {first.groups} groups, one worse by {size}"
        sentences.append(f"{where}: {reach}")
    return Claim(
        "How many subjects a gap needs",
        "reported",
        "Number of subjects per group from which the verdict is 'gap' in 80 of 100 worlds:",
        tuple(sentences),
    )


def search_claim(rows: Sequence[SearchRow]) -> Claim | None:
    """Coverage of the rates of searches."""
    if not rows:
        return None
    return Claim(
        "Searches of a gallery (1:N)",
        "reported",
        f"For the given gallery, intervals cover the true FPIR in {span([row.fpir for row in rows])} and the true FNIR in "
        f"{span([row.fnir for row in rows])} of the worlds over {settings(rows)}; with every search as a trial in "
        f"{span([row.fpir_naive for row in rows])} and {span([row.fnir_naive for row in rows])}.",
    )


def label_claim(rows: Sequence[LabelRow]) -> Claim | None:
    """The effect of wrong labels."""
    if not rows:
        return None
    worst = max(rows, key=lambda row: row.flipped)
    return Claim(
        "Wrong labels",
        "reported",
        f"With {rough_percent(worst.flipped)} of the labels wrong, a gap of {100 * worst.planted_gap:g} points is estimated "
        f"as {100 * worst.observed:.1f}. Intervals that treat labels as certain cover the true gap in {worst.certain:.2f} of "
        f"the worlds, and intervals that account for the proportion of wrong labels in {worst.informed:.2f}. Neither corrects "
        "the bias.",
    )


def confusion_of(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Planted size -> verdict -> count, over all families and power settings."""
    return merged([row.confusion for row in rows if isinstance(row, FamilyRow | PowerRow)])


def span(values: Sequence[float]) -> str:
    """Minimum to maximum."""
    low, high = f"{min(values):.3f}", f"{max(values):.3f}"
    return low if low == high else f"{low} to {high}"


def settings(rows: Sequence[object]) -> str:
    """The number of settings in words."""
    return "1 setting" if len(rows) == 1 else f"{len(rows)} settings"


def families_of(rows: Sequence[object]) -> str:
    """The number of families in words."""
    return "1 family" if len(rows) == 1 else f"{len(rows)} families"


def described(row: CoverageRow) -> str:
    """A setting in words."""
    of_each = "1 image" if row.images == 1 else f"{row.images} images"
    return f"{row.kind}, {row.subjects} subjects, {of_each} each, rate {row.rate:g}, {effect_in_words(row.effect, row.strength)}"


def effect_in_words(effect: str, strength: float) -> str:
    """The difference between people: rho of a probit effect, icc of a beta one."""
    return f"{'rho' if effect == 'probit' else 'icc'} {strength:g}"


def named(rows: Sequence[CoverageRow], numbers: Callable[[CoverageRow], str]) -> tuple[str, ...]:
    """The first few settings with their numbers, and the number of others."""
    found = [f"{described(row)}: {numbers(row)}" for row in rows[:MOST_NAMED]]
    more = len(rows) - MOST_NAMED
    return (*found, f"and {more} more") if more > 0 else tuple(found)
