"""The consequences of the rates of a run for people, as tables with assumptions (`facegap scenario NAME RUN`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from facegap.derive.groupings import attribute_columns
from facegap.errors import RunError, StatisticsError
from facegap.report.first_frames import alarms_table
from facegap.report.tables import TextTable
from facegap.report.text import clean, level_text, rough_percent
from facegap.scenarios.group_rates import Measured, measured_rates
from facegap.scenarios.quantities import FEW, Answer, Line, Quantity, as_chance
from facegap.scenarios.rules import SCENARIOS, Scenario
from facegap.store.record import RunRecord
from facegap.store.run import fitting_together, read_csv, read_record
from facegap.tables import ALARMS, RATES, check
from facegap.types import ANY, Rate

ALARMS_FILE = "alarms.csv"
UNDETERMINED = "cannot be determined"
SAME_THRESHOLD = 5e-5  # thresholds are printed with four decimals


def scenario_tables(
    name: str,
    folder: Path,
    *,
    by: str | None = None,
    threshold: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[list[TextTable], tuple[str, ...]]:
    """The tables of a scenario, one per threshold, and the assumptions of all of them.

    name      : a key of SCENARIOS
    folder    : a run folder; its run.json and rates.csv are read
    by        : one grouping of the run, such as 'gender*race'; None: the first one
    threshold : a threshold of the run, to within 5e-5; None: all of them
    options   : settings of the scenario by name; None: the default

    Raises
    ------
    RunError        : no such run, grouping or threshold, or the run lacks the metric; the message names the command to run
    StatisticsError : no such scenario or option, or invalid settings
    """
    scenario, given = chosen_scenario(name), {key: value for key, value in (options or {}).items() if value is not None}
    strangers = [key for key in given if key not in scenario.options]
    if strangers:
        takes = ", ".join(option_name(key) for key in scenario.options)
        raise StatisticsError(f"scenario {name} has no option {option_name(strangers[0])}; its options are {takes}")
    tables, assumptions = [], list[str]()
    with fitting_together(folder):
        record, rates = read_record(folder), checked_rates(folder)
        grouping = chosen_grouping(record, folder, by)
        for rows in rows_by_threshold(rates, scenario, name, folder, grouping, threshold):
            measured = measured_rates(rows, attributes_of(record), grouping)
            answer = scenario.answer(measured, **given)
            tables += answer_tables(answer, measured, grouping, record.min_subjects)
            assumptions += (*answer.assumptions, *((FEW,) if is_thin(answer) else ()))
        if name == "watchlist" and (folder / ALARMS_FILE).is_file():
            tables += measured_alarms(folder, record, grouping, threshold)
    return tables, tuple(dict.fromkeys(assumptions))


def parse_shares(texts: Sequence[str] | None, option: str) -> dict[str, float] | None:
    """GROUP=SHARE texts as a mapping; None if there are none.

    Raises
    ------
    StatisticsError : another form, or a group named twice
    """
    shares: dict[str, float] = {}
    for text in texts or ():
        group, _, share = text.rpartition("=")
        try:
            value = float(share)
        except ValueError:
            value = math.nan
        if not group or math.isnan(value):
            raise StatisticsError(
                f"{option}: {text!r} is not GROUP=SHARE; write for example {option} 'darker female=0.25'"
            )
        if group.strip() in shares:
            raise StatisticsError(f"{option}: {group.strip()!r} is given twice")
        shares[group.strip()] = value
    return shares or None


def measured_alarms(
    folder: Path, record: RunRecord, grouping: tuple[str, ...], threshold: float | None
) -> list[TextTable]:
    """Alarms per person-hour measured on videos, for comparison with the bound that a scenario computes from FMR."""
    table = check(read_csv(folder / ALARMS_FILE), ALARMS, ALARMS_FILE)
    if threshold is not None:
        table = table[(table["threshold"] - threshold).abs() < SAME_THRESHOLD]
    split = [name for name in attributes_of(record) if name not in grouping]
    return alarms_table(table[(table[split] == ANY).all(axis=1)], record.groupings)


# ---- input ----


def chosen_scenario(name: str) -> Scenario:
    """The scenario with this name."""
    if name not in SCENARIOS:
        raise StatisticsError(f"no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]


def option_name(key: str) -> str:
    """An argument as a command-line option."""
    return "--" + key.replace("_", "-")


def checked_rates(folder: Path) -> pd.DataFrame:
    """rates.csv of a run as RATES."""
    path = folder / "rates.csv"
    if not path.is_file():
        raise RunError(f"{folder}: no rates.csv, so this run was not finished; finish it with --resume")
    return check(read_csv(path), RATES, str(path))


def attributes_of(record: RunRecord) -> tuple[str, ...]:
    """The attribute columns of a run's RATES."""
    return attribute_columns(record.groupings)


def chosen_grouping(record: RunRecord, folder: Path, by: str | None) -> tuple[str, ...]:
    """The requested grouping; by default the first of the run, or all people if it has none."""
    groupings = record.groupings
    if by is None:
        return groupings[0] if groupings else ()
    wanted = tuple(name.strip() for name in by.split("*"))
    for grouping in groupings:
        if sorted(grouping) == sorted(wanted):
            return grouping
    known = ", ".join("*".join(grouping) for grouping in groupings) or "none at all"
    raise RunError(f"{folder}: this run has no groups by {by!r}; it has {known}. Run the audit again with --by {by}")


def rows_by_threshold(
    rates: pd.DataFrame, scenario: Scenario, name: str, folder: Path, grouping: Sequence[str], threshold: float | None
) -> list[pd.DataFrame]:
    """The rows of RATES that a scenario uses, one frame per threshold in the order of the table."""
    needed = [metric.name for metric in scenario.needed()]
    if not rates["metric"].isin(needed).any():
        made_by = scenario.made_by.format(by="'" + "*".join(grouping) + "'" if grouping else "COLUMN")
        raise RunError(
            f"{folder}: scenario {name} needs {' or '.join(needed)}, but this run has none; create one with {made_by}"
        )
    chosen = rates[rates["metric"].isin(scenario.read())]
    found = [rows for _, rows in chosen.groupby(["threshold", "threshold_from"], dropna=False, sort=False)]
    if threshold is None:
        return found
    if all(math.isnan(rows["threshold"].iloc[0]) for rows in found):
        raise StatisticsError(f"scenario {name} uses rates that have no threshold; omit --threshold")
    near = [rows for rows in found if abs(rows["threshold"].iloc[0] - threshold) <= SAME_THRESHOLD]
    if not near:
        known = ", ".join(f"{rows['threshold'].iloc[0]:.4f} ({rows['threshold_from'].iloc[0]})" for rows in found)
        raise RunError(f"{folder}: no rates at threshold {threshold:g}; this run has {known}")
    return near


# ---- output ----


def answer_tables(answer: Answer, measured: Measured, grouping: Sequence[str], min_subjects: int) -> list[TextTable]:
    """The answer, and the rates across groups if it depends on them."""
    metrics = tuple(answer.lines[0].rates) if answer.lines else ()
    small = frozenset(
        k for k, line in enumerate(answer.lines) if any(rate.people < min_subjects for rate in line.rates.values())
    )
    columns = (
        "group",
        *((answer.who,) if answer.who else ()),
        *(f"{metric}: errors / trials (subjects)" for metric in metrics),
        *answer.columns,
    )
    rows = tuple(line_row(line, metrics, counted=bool(answer.who)) for line in answer.lines)
    title = f"{answer.title}; by {' x '.join(grouping) or 'nothing'}"
    tables = [TextTable(title, columns, rows, small, notes_of(measured, answer, min_subjects if small else 0))]
    if len(answer.matrix) > 1:
        tables.append(matrix_table(answer, min_subjects))
    return tables


def is_thin(answer: Answer) -> bool:
    """Whether a number of the answer is based on few errors."""
    cells = [cell for line in answer.lines for cell in line.cells if isinstance(cell, Quantity)]
    return any(cell.is_thin for cell in (*cells, *(as_chance(rate) for *_, rate in answer.matrix)))


def line_row(line: Line, metrics: Sequence[str], *, counted: bool) -> tuple[str, ...]:
    """A line as text."""
    return (
        clean(line.name),
        *((people(line.people),) if counted else ()),
        *(counts(line.rates[metric]) if metric in line.rates else "" for metric in metrics),
        *(cell if isinstance(cell, str) else quantity(cell) for cell in line.cells),
    )


def notes_of(measured: Measured, answer: Answer, min_subjects: int) -> tuple[str, ...]:
    """Notes for readers of the table: threshold, level, omitted groups, small groups."""
    levels = {rate.level for line in answer.lines for rate in line.rates.values() if rate.trials}
    left_out = ", ".join(clean(group) for group in measured.left_out)
    return tuple(
        note
        for note in (
            ""
            if math.isnan(measured.threshold)
            else f"Threshold {measured.threshold:.4f}: {clean(measured.threshold_from)}.",
            "In-sample: this threshold was set on the same comparisons on which it is evaluated, so the rates at it are "
            "optimistic."
            if measured.in_sample
            else "",
            f"Brackets: {' and '.join(map(level_text, sorted(levels)))} intervals." if levels else "",
            f"Omitted because a label is missing: {left_out}." if left_out else "",
            f"Groups of fewer than {min_subjects} effective subjects are dimmed: their numbers provide little evidence."
            if min_subjects
            else "",
        )
        if note
    )


def matrix_table(answer: Answer, min_subjects: int) -> TextTable:
    """The FMR of every two groups behind the answer."""
    rows = tuple(
        (clean(group), clean(other), quantity(as_chance(rate)), counts(rate)) for group, other, rate in answer.matrix
    )
    small = frozenset(k for k, (*_, rate) in enumerate(answer.matrix) if rate.people < min_subjects)
    return TextTable(
        "the underlying false match rates", ("group", "against", "FMR", "FMR: errors / trials (subjects)"), rows, small
    )


def counts(rate: Rate) -> str:
    """The counts behind a rate."""
    return f"{rate.errors:,} / {rate.trials:,} ({rate.subjects:,})"


def quantity(found: Quantity) -> str:
    """A number with its ends, and its number of errors if they are few; an unknown number cannot be determined."""
    if math.isnan(found.value):
        return UNDETERMINED
    return with_ends(found) + (f", from {error_count(found.errors)}" if found.is_thin else "")


def error_count(errors: int) -> str:
    """A number of errors in words."""
    return "no error" if not errors else "1 error" if errors == 1 else f"{errors:,} errors"


def with_ends(found: Quantity) -> str:
    """A known number with its ends."""
    write = people if found.unit == "people" else share
    if math.isnan(found.low) or math.isnan(found.high):
        return f"{write(found.value)} (interval {UNDETERMINED})"
    if found.low == found.high:
        return write(found.value)
    if math.isinf(found.value):
        return f"at least {write(found.low)}"
    high = "no limit" if math.isinf(found.high) else write(found.high)
    return f"{write(found.value)} [{write(found.low)}, {high}]"


def people(number: float) -> str:
    """An expected number of people: whole if large, three digits if small."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def share(chance: float) -> str:
    """A probability in per cent, with three digits: false match rates span orders of magnitude."""
    return rough_percent(chance)
