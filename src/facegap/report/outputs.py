"""Outputs besides gender and age in words and tables: answer rates, macro error rates, and legal restrictions.

An answer rate is not an error rate: true rates may differ between groups. It is therefore not called a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from facegap.derive.groupings import Grouping, cells_of
from facegap.derive.metrics import metric_of
from facegap.derive.metrics_of_outputs import spoken
from facegap.derive.outputs import ANSWERED, DIFFER, DIFFER_BEYOND, GAPS, RATES
from facegap.report.first_line import Line, Said
from facegap.report.rows.comparisons import table
from facegap.report.rows.frames import group_of, grouping_of, groupings_of
from facegap.report.rows.rates import rate_rows
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import (
    clean,
    deciding_interval,
    errors_of_trials,
    interval,
    level_text,
    margin,
    p_value,
    percent,
    points,
    verdict,
)
from facegap.report.wording import ALL_SUBJECTS, all_adults, group_words
from facegap.statistics.verdicts import UNKNOWN as UNDECIDED
from facegap.store.run import Run
from facegap.types import Group

Row = Mapping[str, Any]
FOUND = (DIFFER_BEYOND, DIFFER)
OUTCOMES: Mapping[str, str] = {
    "right": "correct",
    "wrong": "wrong",
    "unlabelled": "predicted, without a label",
    "no_answer": "without a prediction",
    "not_shown": "not processed",
    "crop_unavailable": "too small for the model's crop; not a trial",
}
NO_ERROR = "true rates may differ between groups, so that a difference is not an error"


def verdict_of(row: Row) -> str:
    """The verdict on a pair of groups, including the margin."""
    said, size = str(row["verdict"]), margin(row["margin"], is_ratio=False)
    if row["measure"] != ANSWERED:
        return verdict(said, row["margin"], is_ratio=False, differs=bool(row["differs"]))
    if said == DIFFER_BEYOND:
        return f"{DIFFER} by more than {size}"
    return clean(said.replace("the margin", size))


# ---- the first screen ----


def answer_lines(run: Run) -> list[Line]:
    """A line for each unlabelled output: the prediction in which two groups differ most."""
    rows = [row for row in table(run, GAPS) if row["measure"] == ANSWERED and row["primary"]]
    groups = named_groups(run)
    adults = all_adults(run.manifest)
    return [
        line_of([row for row in rows if row["output"] == name], groups, adults=adults)
        for name in dict.fromkeys(str(row["output"]) for row in rows)
    ]


def named_groups(run: Run) -> dict[str, Group]:
    """Every group of the run by its name in tables."""
    return {str(group): group for grouping in groupings_of(run) for group in cells_of(run.manifest, grouping).groups}


def line_of(rows: Sequence[Row], groups: Mapping[str, Group], *, adults: bool) -> Line:
    """The line of one output: the widest difference with the clearest verdict."""
    row = min(rows, key=lambda one: (clearness(one), -abs(one["difference"])))
    sides = sorted(("a", "b"), key=lambda side: -row[f"rate_{side}"])
    said = [Said(percent(row[f"rate_{side}"], 1), words(row, side, groups, adults=adults)) for side in sides]
    such = sum(one["verdict"] == row["verdict"] for one in rows)
    among = f"one of {such:,} with this verdict among {len(rows):,} pairs of groups and predictions that are tested together"
    counted = " against ".join(f"{row[f'errors_{side}']:,} of {row[f'trials_{side}']:,} predictions" for side in sides)
    ends = deciding_interval(*higher_first(row), row["decided_level"], row["margin"], is_ratio=False)
    family = tuple(str(row["family"]).split("*"))
    settled = row["verdict"] in FOUND
    return Line(
        model="",
        what=f"{spoken(str(row['output'])).capitalize()}: predicted “{spoken(str(row['answer']))}”",
        pair=(said[0], said[1]) if settled else None,
        said=""
        if settled
        else f"no significant difference; the widest difference is between {said[0].who} and {said[1].who}",
        verdict=verdict_of(row),
        details=(f"difference {points(abs(row['difference']), 1)}, interval {ends}", counted, among, NO_ERROR),
        metric=str(row["answer"]),
        grouping=family,
    )


def higher_first(row: Row) -> tuple[float, float]:
    """The interval on which the verdict is based, oriented as the higher rate minus the lower."""
    low, high = row["decided_low"], row["decided_high"]
    return (low, high) if row["rate_a"] >= row["rate_b"] else (-high, -low)


def clearness(row: Row) -> int:
    """Sort key: clear differences first, undecided pairs last."""
    said = str(row["verdict"])
    return FOUND.index(said) if said in FOUND else 3 if said == UNDECIDED else 2


def words(row: Row, side: str, groups: Mapping[str, Group], *, adults: bool) -> str:
    """Name of a group of a pair in a sentence."""
    group = groups.get(str(row[f"group_{side}"]))
    return clean(row[f"group_{side}"]) if group is None else group_words(group, adults=adults)


# ---- tables ----


def output_report(run: Run) -> list[TextTable]:
    """The tables of outputs: predictions by group, the widest difference of each prediction, then every pair."""
    rates, gaps = table(run, RATES), table(run, GAPS)
    outputs = dict.fromkeys((str(row["output"]), str(row["measure"])) for row in rates)
    found: list[TextTable] = []
    for name, measure in outputs:
        own = [row for row in rates if row["output"] == name]
        pairs = [row for row in gaps if row["output"] == name]
        for grouping in [(), *groupings_of(run)]:
            found += by_group(run, own, grouping, name, measure)
        found += pairs_in_short(pairs, name, measure)
    return found


def by_group(run: Run, rows: Sequence[Row], grouping: Grouping, name: str, measure: str) -> list[TextTable]:
    """One table: a row per group, a column per prediction with its interval."""
    groupings = groupings_of(run)
    of_group: dict[Group, dict[str, Row]] = {}
    for row in rows:
        group = group_of(row, groupings)
        if grouping_of(group) == grouping:
            of_group.setdefault(group, {})[str(row["answer"])] = row
    if not of_group:
        return []
    answers = list(dict.fromkeys(str(row["answer"]) for row in rows))
    columns = [
        Column[tuple[Group, dict[str, Row]]]("group", lambda one: clean(one[0])),
        Column[tuple[Group, dict[str, Row]]]("images", lambda one: f"{next(iter(one[1].values()))['trials']:,}"),
        *(column_of(answer, measure) for answer in answers),
    ]
    title = f"{spoken(name)}, {'answers' if measure == ANSWERED else measure}: "
    note = (
        f"Rate of each prediction among the images with a prediction, {level_text(run.record.level)} interval. There are "
        f"no labels: {NO_ERROR}."
        if measure == ANSWERED
        else (
            "1 - macro recall: the mean over classes of the error rate within each class, so that rare and common classes "
            "have the same weight. It is undefined for a group without images of a class."
        )
    )
    everybody = not grouping
    return [
        table_of(
            title + (ALL_SUBJECTS if everybody else clean(" x ".join(grouping))),
            columns,
            list(of_group.items()),
            is_dimmed=lambda one: next(iter(one[1].values()))["effective_subjects"] < run.record.min_subjects,
            notes=(note,) if everybody else (),
        )
    ]


def column_of(answer: str, measure: str) -> Column[tuple[Group, dict[str, Row]]]:
    """The column of one prediction."""

    def say(one: tuple[Group, dict[str, Row]]) -> str:
        row = one[1][answer]
        return f"{percent(row['value'], 1)} {interval(row['low'], row['high'], 1)}"

    return Column(spoken(answer) if measure == ANSWERED else measure, say)


def pairs_in_short(rows: Sequence[Row], name: str, measure: str) -> list[TextTable]:
    """For each grouping and prediction, the pair of groups with the widest difference."""
    widest: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda one: (clearness(one), -abs(one["difference"]))):
        widest.setdefault((str(row["family"]), str(row["answer"])), row)
    if not widest:
        return []
    what = "answer rates" if measure == ANSWERED else "macro error rates"
    note = (
        f"For each prediction and grouping, the pair of groups with the widest difference; {GAPS} contains all "
        f"{len(rows):,} pairs. Those of the first grouping are tested together by Holm's method, over all predictions; "
        "others are exploratory, without a verdict."
    )
    return [table_of(f"{spoken(name)}: pairs of groups, {what}", PAIRS, list(widest.values()), notes=(note,))]


def counted(row: Row, side: str) -> str:
    """The counts behind the rate of a group."""
    return errors_of_trials(row[f"errors_{side}"], row[f"trials_{side}"])


PAIRS = (
    Column[Row](
        "prediction and grouping",
        lambda row: f"{spoken(str(row['answer'])) or 'all classes'}, {clean(' x '.join(row['family'].split('*')))}",
    ),
    Column[Row]("group a against b", lambda row: f"{clean(row['group_a'])} against {clean(row['group_b'])}"),
    Column[Row]("counts", lambda row: f"{counted(row, 'a')} against {counted(row, 'b')}"),
    Column[Row]("rates", lambda row: f"{percent(row['rate_a'])} against {percent(row['rate_b'])}"),
    Column[Row]("difference", lambda row: points(row["difference"])),
    Column[Row]("p (Holm)", lambda row: p_value(row["p_adjusted"])),
    Column[Row](
        "deciding interval",
        lambda row: deciding_interval(
            row["decided_low"], row["decided_high"], row["decided_level"], row["margin"], is_ratio=False
        ),
    ),
    Column[Row]("verdict", verdict_of),
)


# ---- sentences ----


def output_sentences(run: Run) -> list[str]:
    """The outcome of all images for each output, legal restrictions, and the worst species of attack."""
    said = [outcome_sentence(run, output.name) for output in run.record.outputs]
    said += [
        f"Legal restrictions, as stated on the card: {clean(output.law)}" for output in run.record.outputs if output.law
    ]
    return [*said, *attack_sentences(run)]


def outcome_sentence(run: Run, name: str) -> str:
    """How many images ended in each outcome; each has exactly one."""
    counts = run.predictions[f"{name}_outcome"].value_counts()
    told = ", ".join(
        f"{count:,} {OUTCOMES.get(str(outcome), spoken(str(outcome)))}" for outcome, count in counts.items()
    )
    return f"{spoken(name).capitalize()}: of {len(run.predictions):,} {run.counted} {told}."


def attack_sentences(run: Run) -> list[str]:
    """The species of attack with the highest APCER, as ISO/IEC 30107-3 requires, or a note that attacks were not measured."""
    output = next((output for output in run.record.outputs if output.bona_fide), None)
    if output is None:
        return []
    if not output.species:
        return [
            "No attack was presented, so APCER, the proportion of attacks classified as bona fide, could not be measured."
        ]
    rows = [row for row in rate_rows(run) if row.metric.startswith("apcer.") and not row.grouping and row.rate.trials]
    if not rows:
        return ["No attack presentation has a prediction, so APCER is undefined."]
    worst = max(rows, key=lambda row: row.rate.value)
    return [
        f"APCER of the worst of {len(rows)} species: {percent(worst.rate.value)} "
        f"{interval(worst.rate.low, worst.rate.high)} ({errors_of_trials(worst.rate.errors, worst.rate.trials)}), "
        f"{metric_of(worst.metric).title}. Species are not pooled."
    ]
