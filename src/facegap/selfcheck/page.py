"""The page of `facegap selfcheck`: the requirements that hold, those that do not, and the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from facegap.report.tables import TextTable, title_of
from facegap.report.text import NO_NUMBER, percent, rough_percent
from facegap.selfcheck.charts import (
    alarm_figure,
    coverage_figures,
    gap_in_words,
    label_figures,
    power_figures,
    rate_in_words,
)
from facegap.selfcheck.claims import (
    KIND_TITLES,
    WORLDS_OF_A_BAND,
    confusion_of,
    effect_in_words,
)
from facegap.selfcheck.crowds import crowd_section
from facegap.selfcheck.doses import DoseRow, dose_section
from facegap.selfcheck.exposure import ExposureRow, exposure_section
from facegap.selfcheck.rows import CoverageRow, CrowdRow, FamilyRow, LabelRow, PowerRow, Row, SearchRow
from facegap.selfcheck.study import Study
from facegap.statistics.gaps import ALPHA
from facegap.statistics.verdicts import VERDICTS
from facegap.worlds.curves import standard_error
from facegap.worlds.layout import Claim, Section, render

TITLE = "Validation of facegap by simulation"
LEAD = (
    "facegap simulated people with known error rates, evaluated them with the functions of an audit, and counted how often "
    "the results were correct. These results are not about any model or any real people.",
)
METHOD = (
    "Each world simulates new people. The probability of an error varies between people around the planted rate: by a normal "
    "effect (probit; rho is the proportion of the score's variance due to the person) or by a beta distribution (the "
    "strength is the intraclass correlation). In pairs of two people both have an effect. Rates, intervals, Holm's p and "
    "verdicts come from the package's own statistics.",
    "± is the Monte Carlo standard error of a proportion of worlds; whiskers in charts are two of them. A requirement holds "
    "if no setting is outside it and does not hold if a setting is outside by more than two standard errors; in between "
    "there are too few worlds to tell. Among many settings at the limit of a requirement, some fall outside by chance.",
    "Thresholds are given: the uncertainty of setting a threshold on other people is not simulated. Subjects are random "
    "samples here; a collection of portraits rarely is one.",
)

TERMS = ("simulated world", "coverage", "false gap", "probability of detection", "Monte Carlo error")

STATES = {
    "holds": "hold",
    "does not hold": "do not hold",
    "too few worlds to tell": "cannot be determined with so few worlds",
}


def selfcheck_page(study: Study, rows: Sequence[Row], claims: Sequence[Claim], *, seed: int) -> str:
    """The page of a study, as text."""
    made = f"Worlds: {study.source} ({study.title}), sha256 {study.sha256}. Seed {seed}. {worlds_in_words(study)}"
    return render(
        TITLE, [*LEAD, f"{study.title}: {summary(claims)}"], claims, sections_of(rows), [*METHOD, made], terms=TERMS
    )


def summary(claims: Sequence[Claim]) -> str:
    """The number of requirements that hold, in a sentence."""
    states = [claim.state for claim in claims if claim.state != "reported"]
    if not states:
        return "no result here has a requirement."
    parts = [f"{states.count(state)} {words}" for state, words in STATES.items() if state in states]
    return f"of {len(states)} requirements {', '.join(parts)}."


def worlds_in_words(study: Study) -> str:
    """The number of simulations, and whether there are as many as the requirements are defined for."""
    counts = [job.worlds for job in study.jobs]
    few = sum(job.worlds < WORLDS_OF_A_BAND for job in study.jobs if job.part == "coverage")
    short = (
        f" {few} settings of coverage have fewer than the {WORLDS_OF_A_BAND:,} that the bands are meant for."
        if few
        else ""
    )
    return f"{len(counts)} settings of {min(counts):,} to {max(counts):,} worlds, {sum(counts):,} in all.{short}"


def sections_of(rows: Sequence[Row]) -> list[Section]:
    """The sections of the page for which there are rows."""
    coverage = [row for row in rows if isinstance(row, CoverageRow)]
    families = [row for row in rows if isinstance(row, FamilyRow)]
    powers = [row for row in rows if isinstance(row, PowerRow)]
    searches = [row for row in rows if isinstance(row, SearchRow)]
    labels = [row for row in rows if isinstance(row, LabelRow)]
    found: list[Section] = []
    if coverage:
        found.append(
            Section(
                "Coverage of intervals",
                (
                    "Each mark is a setting. A 95% interval should cover the planted rate in 95 of 100 worlds (dotted); the "
                    "black tick is the required minimum. Orange: the usual interval, which treats every image or pair as "
                    "independent. Each chart has its own scale.",
                ),
                coverage_figures(coverage),
                (span_table(coverage),),
                details=(coverage_table(coverage),),
                terms=("interval", "subjects", "naive interval", "rho and icc"),
            )
        )
    crowds = [row for row in rows if isinstance(row, CrowdRow)]
    if crowds:
        found.append(crowd_section(crowds))
    exposures = [row for row in rows if isinstance(row, ExposureRow)]
    if exposures:
        found.append(exposure_section(exposures))
    stressed = [row for row in rows if isinstance(row, DoseRow)]
    if stressed:
        found.append(dose_section(stressed))
    if families:
        found.append(
            Section(
                "False gaps",
                ("A family consists of all pairs of its groups, tested together by Holm's method.",),
                alarm_figure(families, ALPHA),
                (family_table(families),),
                terms=("verdict", "margin", "p (Holm)"),
            )
        )
    if powers:
        found.append(
            Section(
                "Detection of planted gaps",
                ("One group has a higher planted rate; the others are equal.",),
                power_figures(powers),
                details=(power_table(powers),),
                terms=("planted gap", "FMR", "FNMR"),
            )
        )
    if families or powers:
        found.append(
            Section(
                "Verdicts by size of the gap",
                (
                    "All pairs of groups of all worlds with families and power settings, in per cent of the row. 'No gap "
                    "larger than the margin' is wrong for planted gaps of the margin or more; 'gap' is wrong only if none "
                    "was planted.",
                ),
                tables=(confusion_table(rows),),
            )
        )
    if searches:
        found.append(
            Section(
                "Searches of a gallery",
                ("The truth refers to the simulated gallery, as an audit refers to its own gallery.",),
                tables=(search_table(searches),),
                terms=("FNIR and FPIR",),
            )
        )
    if labels:
        found.append(
            Section(
                "Wrong labels",
                (
                    "A proportion of the people is labelled as the other group. This biases the gap towards zero, regardless "
                    "of the number of subjects; an interval that accounts for it is wider, but does not correct the bias.",
                ),
                label_figures(labels),
                (label_table(labels),),
            )
        )
    return found


def with_error(share: float, worlds: int) -> str:
    """A proportion of simulations with its Monte Carlo error; a dash if it is NaN."""
    return NO_NUMBER if math.isnan(share) else f"{share:.3f} ± {standard_error(share, worlds):.3f}"


def span_table(rows: Sequence[CoverageRow]) -> TextTable:
    """Coverage by kind, strength and subjects: minimum to maximum over images and rates."""
    keys = list(dict.fromkeys((row.kind, row.effect, row.strength, row.subjects) for row in rows))
    lines: list[tuple[str, ...]] = []
    dimmed = set[int]()
    for key in keys:
        found = [row for row in rows if (row.kind, row.effect, row.strength, row.subjects) == key]
        if not any(row.required for row in found):
            dimmed.add(len(lines))
        asked = f"{found[0].floor:.2f}" if found[0].required else "reported"
        error = max(standard_error(row.facegap, row.worlds) for row in found)
        spans = (
            ends_of([row.facegap for row in found]),
            ends_of([row.plain for row in found]),
            ends_of([row.naive for row in found]),
        )
        lines.append(
            (
                KIND_TITLES[key[0]],
                effect_in_words(key[1], key[2]),
                str(key[3]),
                str(len(found)),
                asked,
                spans[0],
                f"{error:.3f}",
                *spans[1:],
            )
        )
    columns = (
        "rate",
        "effect",
        "subjects",
        "settings",
        "asked for",
        "facegap",
        "± at most",
        "published formula",
        "naive",
    )
    return TextTable("Coverage, minimum to maximum over images and rates", columns, tuple(lines), frozenset(dimmed))


def ends_of(values: Sequence[float]) -> str:
    """Minimum to maximum, in short form."""
    return f"{min(values):.3f} to {max(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def coverage_table(rows: Sequence[CoverageRow]) -> TextTable:
    """The table of every setting."""
    lines = tuple(
        (
            KIND_TITLES[row.kind],
            effect_in_words(row.effect, row.strength),
            str(row.subjects),
            str(row.images),
            rate_in_words(row.rate),
            f"{row.expected_errors:.3g}",
            f"{row.worlds:,}",
            with_error(row.facegap, row.worlds),
            f"{row.plain:.3f}",
            f"{row.naive:.3f}",
            f"{row.width:.2f}",
            row.faults or ("" if row.required else "reported"),
        )
        for row in rows
    )
    columns = (
        "rate",
        "effect",
        "subjects",
        "images",
        "planted",
        "errors expected",
        "worlds",
        "facegap",
        "published formula",
        "naive",
        "width",
        "outside",
    )
    return TextTable("Coverage of every setting", columns, lines)


def family_table(rows: Sequence[FamilyRow]) -> TextTable:
    """Families: false alarms, verdicts below the margin, and detected gaps."""
    lines = tuple(
        (
            row.name,
            title_of(row.metric),
            " / ".join(rate_in_words(rate) for rate in row.rates),
            each(row.subjects),
            each(row.images),
            f"{row.worlds:,}",
            with_error(row.false_alarm, row.worlds),
            with_error(row.dishonest, row.worlds),
            with_error(row.found, row.worlds),
        )
        for row in rows
    )
    columns = (
        "family",
        "rate",
        "planted rates",
        "subjects",
        "images",
        "worlds",
        "false gap anywhere",
        "margin or more called smaller",
        "largest gap found",
    )
    return TextTable("Families", columns, lines)


def each(values: Sequence[int]) -> str:
    """One number if all groups have the same."""
    return f"{values[0]} each" if len(set(values)) == 1 else " / ".join(str(value) for value in values)


def power_table(rows: Sequence[PowerRow]) -> TextTable:
    """Every point of the power curves."""
    lines = tuple(
        (
            KIND_TITLES[row.kind],
            rate_in_words(row.rate),
            gap_in_words(row.metric, row.gap),
            str(row.groups),
            str(row.subjects),
            str(row.images),
            effect_in_words(row.effect, row.strength),
            f"{row.worlds:,}",
            with_error(row.found, row.worlds),
        )
        for row in rows
    )
    columns = ("rate", "planted", "gap", "groups", "subjects", "images", "effect", "worlds", "found")
    return TextTable("How often a gap is found", columns, lines)


def confusion_table(rows: Sequence[Row]) -> TextTable:
    """Planted size against verdict."""
    lines = []
    for planted, said in confusion_of(rows).items():
        total = sum(said.values())
        lines.append((planted, *(percent(said[verdict] / total, 1) for verdict in VERDICTS), f"{total:,}"))
    return TextTable("Verdicts by planted gap", ("planted", *VERDICTS, "gaps tested"), tuple(lines))


def search_table(rows: Sequence[SearchRow]) -> TextTable:
    """Coverage of FPIR and FNIR."""
    lines = tuple(
        (
            f"{row.gallery:,} enrolled",
            str(row.people),
            str(row.images),
            f"rho {row.strength:g}",
            rate_in_words(row.fpir_rate),
            with_error(row.fpir, row.worlds),
            f"{row.fpir_naive:.3f}",
            rate_in_words(row.fnir_rate),
            with_error(row.fnir, row.worlds),
            f"{row.fnir_naive:.3f}",
            f"{row.worlds:,}",
        )
        for row in rows
    )
    columns = (
        "gallery",
        "subjects",
        "searches each",
        "effect",
        "FPIR planted",
        "held",
        "naive",
        "FNIR planted",
        "held",
        "naive",
        "worlds",
    )
    return TextTable("Coverage of the rates of a search", columns, lines)


def label_table(rows: Sequence[LabelRow]) -> TextTable:
    """Coverage of the true gap, and verdicts, with increasing numbers of wrong labels."""
    lines = tuple(
        (
            f"{rough_percent(row.flipped)} wrong",
            str(row.subjects),
            f"{100 * row.planted_gap:g} points",
            f"{100 * row.observed:.1f} points",
            with_error(row.certain, row.worlds),
            with_error(row.informed, row.worlds),
            f"{row.gap:.2f}",
            f"{row.gap_informed:.2f}",
            f"{row.worlds:,}",
        )
        for row in rows
    )
    columns = (
        "labels",
        "subjects",
        "true gap",
        "mean estimate",
        "covered, labels certain",
        "covered, with label uncertainty",
        "verdict gap",
        "verdict gap, with label uncertainty",
        "worlds",
    )
    return TextTable("The gap between the true groups", columns, lines)


def claim_lines(claims: Sequence[Claim]) -> list[str]:
    """The claims for a terminal, one line each."""
    return [
        line
        for claim in claims
        for line in (f"[{claim.state}] {claim.subject}. {claim.sentence}", *(f"    {named}" for named in claim.named))
    ]
