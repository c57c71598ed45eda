"""Age checks and age errors as text tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from facegap.derive.ages.checks import CHECKS, FALSE_NEGATIVE, FALSE_POSITIVE, TARGET, YEARS
from facegap.derive.ages.errors import ALL_AGES, EQUAL_AGES, ERRORS, GAPS
from facegap.report.rows.comparisons import table
from facegap.report.rows.frames import group_of, groupings_of
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import (
    NO_NUMBER,
    clean,
    deciding_level,
    errors_of_trials,
    interval,
    level_text,
    number,
    p_value,
    percent,
)
from facegap.report.units import unit_in_words
from facegap.report.wording import ALL_SUBJECTS
from facegap.statistics.verdicts import BEYOND, WITHIN
from facegap.store.run import Run

Row = Mapping[str, Any]
NEAR_THE_LIMIT = (6, 12)  # years below and above the limit that the report lists; age_years.csv has all


def is_checked(run: Run) -> bool:
    """Whether the run has an age check."""
    return bool(table(run, CHECKS))


def check_words(run: Run) -> str:
    """Description of the age check of the run, in two sentences; empty without one."""
    rows = table(run, CHECKS)
    if not rows:
        return ""
    limit, challenge = f"{rows[0]['age_limit']:g}", f"{rows[0]['challenge']:g}"
    return (
        f"A person estimated at {challenge} or more passes without a document. A false positive is a person under {limit} who "
        f"passes, a false negative a person of {limit} or more who must show a document."
    )


def check_tables(run: Run) -> list[TextTable]:
    """Outcomes and both rates by group, and the challenge age that meets a target; none without --age-limit."""
    rows = table(run, CHECKS)
    if not rows:
        return []
    note = (
        "A labelled range with ages on both sides of the limit is not a trial. An estimate that is a range or an age class "
        "passes if its lower end reaches the challenge age. Images without an estimate are in neither rate; an adult "
        f"without one would have to show a document. Intervals at {level_text(run.record.level)}. {unit_in_words(run.record)}"
    )
    found = [table_of("age check", (group_column(run), *CHECK_COLUMNS), rows, notes=(note,))]
    targets = table(run, TARGET)
    for family in dict.fromkeys(row["family"] for row in targets):
        found.append(target_table(run, [row for row in targets if row["family"] == family]))
    return found


def target_table(run: Run, rows: list[Row]) -> TextTable:
    """The challenge age at which the worst group of one grouping meets the target, and both rates there."""
    first = rows[0]
    by = f"by {clean(first['family'])}" if first["family"] else ALL_SUBJECTS
    title = f"challenge age for a false positive rate of {percent(first['target'])}, {by}: {challenge_text(first)}"
    whole = "" if not first["family"] else " of all groups together"
    if math.isnan(first["challenge"]):
        least = run.record.min_subjects
        why = f"No group has {least} effective subjects with an estimate under the limit, so the target is applied to none."
        return TextTable(title, (), (), notes=(why,))
    sure = (
        f"From {first['challenge_high']:.1f} on, the upper limit of every interval is within the target."
        if math.isfinite(first["challenge_high"])
        else (
            "No challenge age can be shown to meet the target: even without any error, the upper limit for so few people is "
            "above it."
        )
    )
    note = (
        f"Determined to a tenth of a year on the same people on whom it is evaluated. The interval{whole} is at "
        f"{level_text(run.record.level)}, from those of the rates. {sure} The target is not applied to groups that are too "
        "small or without a label."
    )
    return table_of(title, (group_column(run), *TARGET_COLUMNS), rows, notes=(note,))


def year_table(run: Run) -> list[TextTable]:
    """Both rates by year of age near the limit; none without such trials."""
    rows = table(run, YEARS)
    below, above = NEAR_THE_LIMIT
    near = [row for row in rows if row["age_limit"] - below <= row["year_of_age"] < row["age_limit"] + above]
    if not near:
        return []
    note = "Years of age around the limit; age_years.csv has all. A labelled range of more than two years is in no row."
    return [table_of("age check by year of age", (group_column(run), *YEAR_COLUMNS), near, notes=(note,))]


def equal_age_tables(run: Run) -> list[TextTable]:
    """Mean age errors of each group at equal ages, and the gaps between groups; none without common ages."""
    rows = [row for row in table(run, ERRORS) if row["ages"] == EQUAL_AGES]
    if not rows:
        return []
    weights = "; ".join(dict.fromkeys(f"{clean(row['family'])}: {clean(row['weights'])}" for row in rows))
    note = (
        "The signed error is the estimate minus the labelled age in years, and 0 inside a labelled range; for an estimate "
        "that is a range, the midpoint is used. Models tend to overestimate the young and underestimate the old, so groups "
        "are compared with the "
        f"same weight on every age that all of them have. Weights: {weights}. Intervals at {level_text(run.record.level)}. "
        f"{unit_in_words(run.record)}"
    )
    found = [table_of("age errors at equal ages, years", (of_family(run), *ERROR_COLUMNS), rows, notes=(note,))]
    gaps = table(run, GAPS)
    if gaps:
        why = (
            f"At equal ages, in years; the margin is {gaps[0]['margin']:g}. p is Holm's over the pairs of one grouping and one error, "
            "outside the primary family of the run."
        )
        found.append(table_of("gaps between age errors", GAP_COLUMNS, gaps, notes=(why,)))
    return found


def band_table(run: Run) -> list[TextTable]:
    """Mean age errors by age band, and over all images."""
    rows = [row for row in table(run, ERRORS) if row["ages"] != EQUAL_AGES and row["images"]]
    columns = (of_family(run), Column[Row]("labelled ages", ages_text), *ERROR_COLUMNS)
    return [table_of("age errors by band, years", columns, rows)] if rows else []


# ---- cells ----


def group_column(run: Run) -> Column[Row]:
    """The group of a row."""
    groupings = groupings_of(run)
    return Column[Row]("group", lambda row: clean(group_of(row, groupings)))


def of_family(run: Run) -> Column[Row]:
    """The group of a row, or the groups over which it is a mean."""
    groupings = groupings_of(run)

    def said(row: Row) -> str:
        group = group_of(row, groupings)
        pooled = not group.attributes and row["family"] and row["ages"] == EQUAL_AGES
        return f"mean over groups by {clean(row['family'])}" if pooled else clean(group)

    return Column[Row]("group", said)


def ages_text(row: Row) -> str:
    """The ages of a row."""
    return "all ages" if row["ages"] == ALL_AGES else clean(row["ages"])


def challenge_text(row: Row) -> str:
    """A challenge age with its interval."""
    if math.isnan(row["challenge"]):
        return "none"
    high = "no upper limit" if math.isinf(row["challenge_high"]) else f"{row['challenge_high']:.1f}"
    return f"{row['challenge']:.1f} years [{row['challenge_low']:.1f}, {high}]"


def rate_text(row: Row, name: str) -> str:
    """A rate with its interval and counts."""
    if not row[f"{name}_trials"]:
        return "no trials"
    shown = f"{percent(row[f'{name}_value'])} {interval(row[f'{name}_low'], row[f'{name}_high'])}"
    return f"{shown} {errors_of_trials(row[f'{name}_errors'], row[f'{name}_trials'])}"


def years_text(row: Row, name: str) -> str:
    """A mean error in years with its interval."""
    value, low, high = (row[f"{name}_{end}"] for end in ("error", "low", "high"))
    if math.isnan(value):
        return NO_NUMBER
    sign = "+" if name == "signed" and value > 0 else ""
    ends = "" if math.isnan(low) or math.isnan(high) else f" [{low:.2f}, {high:.2f}]"
    return f"{sign}{value:.2f}{ends}"


def sure_text(row: Row) -> str:
    """False negatives at the upper limit of the challenge age, if there is one."""
    return "no upper limit" if math.isinf(row["challenge_high"]) else rate_text(row, "sure_false_negative")


def held_text(row: Row) -> str:
    """Whether the target is applied to a group, and whether it determines the challenge age."""
    return "determines the age" if row["worst"] else "target applied" if row["held"] else "target not applied"


def year_rate_text(row: Row) -> str:
    """The rate of a year of age."""
    return (
        f"{percent(row['value'])} {interval(row['low'], row['high'])} {errors_of_trials(row['errors'], row['trials'])}"
    )


def verdict_of(row: Row) -> str:
    """The verdict on a gap in years, including the margin."""
    margin = f"{row['margin']:g} {'year' if row['margin'] == 1 else 'years'}"
    if row["verdict"] == BEYOND:
        return f"gap larger than {margin}"
    if row["verdict"] != WITHIN:
        return clean(row["verdict"])
    return f"no gap larger than {margin}" + (", though not zero" if row["differs"] else "")


def decided_text(row: Row) -> str:
    """The interval on which a verdict is based."""
    if math.isnan(row["decided_low"]) or math.isnan(row["decided_high"]):
        return NO_NUMBER
    return (
        f"[{number(row['decided_low'])}, {number(row['decided_high'])}] years, {deciding_level(row['decided_level'])}"
    )


def gap_metric(row: Row) -> str:
    """The metric of a gap."""
    return "signed error" if row["metric"] == "age_signed_error" else "absolute error"


CHECK_COLUMNS = (
    Column[Row]("under the limit, passes", lambda row: rate_text(row, FALSE_POSITIVE)),
    Column[Row]("of age, must show a document", lambda row: rate_text(row, FALSE_NEGATIVE)),
    Column[Row](
        "no estimate, under / of age", lambda row: f"{row['no_estimate_under']} / {row['no_estimate_from_limit']}"
    ),
    Column[Row]("on both sides of the limit", lambda row: str(row["straddling"])),
    Column[Row]("without a labelled age", lambda row: str(row["without_age"])),
    Column[Row]("not processed", lambda row: str(row["not_shown"])),
    Column[Row]("images", lambda row: str(row["images"])),
)
TARGET_COLUMNS = (
    Column[Row]("under the limit, passes", lambda row: rate_text(row, FALSE_POSITIVE)),
    Column[Row]("of age, must show a document", lambda row: rate_text(row, FALSE_NEGATIVE)),
    Column[Row]("the same at the upper limit", sure_text),
    Column[Row]("target", held_text),
)
YEAR_COLUMNS = (
    Column[Row]("age", lambda row: str(row["year_of_age"])),
    Column[Row](
        "error",
        lambda row: (
            "false positive: passes" if row["error"] == FALSE_POSITIVE else "false negative: must show a document"
        ),
    ),
    Column[Row]("rate", year_rate_text),
    Column[Row]("subjects", lambda row: str(row["subjects"])),
)
ERROR_COLUMNS = (
    Column[Row]("signed error", lambda row: years_text(row, "signed")),
    Column[Row]("mean absolute error", lambda row: years_text(row, "absolute")),
    Column[Row]("images", lambda row: str(row["images"])),
    Column[Row]("subjects", lambda row: str(row["subjects"])),
)
GAP_COLUMNS = (
    Column[Row]("what", lambda row: f"{gap_metric(row)}, by {clean(row['family'])}"),
    Column[Row]("group a against b", lambda row: f"{clean(row['group_a'])} against {clean(row['group_b'])}"),
    Column[Row]("errors", lambda row: f"{number(row['error_a'])} against {number(row['error_b'])}"),
    Column[Row]("difference", lambda row: f"{number(row['difference'])} years"),
    Column[Row]("p (Holm)", lambda row: p_value(row["p_adjusted"]) if not math.isnan(row["p_adjusted"]) else NO_NUMBER),
    Column[Row]("deciding interval", decided_text),
    Column[Row]("verdict", verdict_of),
)
