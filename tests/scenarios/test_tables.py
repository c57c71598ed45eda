"""The scenario command: its input from a run folder, its errors, and the format of numbers."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from facegap.cli import app
from facegap.errors import RunError, StatisticsError, TableError
from facegap.report.tables import TextTable
from facegap.scenarios.quantities import Quantity, exactly, expected, total
from facegap.scenarios.rules import SCENARIOS
from facegap.scenarios.tables import (
    chosen_grouping,
    parse_shares,
    people,
    quantity,
    scenario_tables,
    share,
)
from facegap.store.run import write_record
from facegap.types import Rate
from fixtures.records import made_record

HEAD = (
    "metric,model,threshold,threshold_from,gender,race,other_gender,other_race,"
    "errors,trials,subjects,units,effective_subjects,largest_share,per_person,per_person_trials,per_person_low,per_person_high,"
    "dominated_by,weighs,effective_trials,value,low,high,level,method"
)
FTE = ("any,any,,,3,100,100", "female,any,,,2,50,50", "male,any,,,1,50,50")
COMPARED = (
    "fmr,{at},any,any,,,10,4000,100",
    "fmr,{at},female,any,,,4,1000,50",
    "fmr,{at},male,any,,,1,1000,50",
    "fmr,{at},unknown,any,,,0,1,2",
    "fmr,{at},female,any,male,any,2,1000,100",
    "fnmr,{at},female,any,,,10,100,50",
    "fnmr,{at},male,any,,,5,100,50",
    "gfar,{at},female,any,,,3,1000,50",
    "gfar,{at},male,any,,,0,1000,50",
    "gfrr,{at},female,any,,,20,100,50",
    "gfrr,{at},male,any,,,10,100,50",
    "fmr,{at},any,white,,,2,1000,60",
    "fmr,{at},any,black,,,6,1000,6",
    "fmr,{at},any,white,any,black,1,1000,66",
)
AGES = (
    "age_false_positive,,,female,any,,,2,90,50",
    "age_false_positive,,,male,any,,,0,90,50",
    "age_false_negative,,,female,any,,,9,90,50",
    "age_false_negative,,,male,any,,,3,90,50",
)
ATTACKED = ("bpcer,,,female,any,,,2,90,50", "bpcer,,,male,any,,,0,90,50")
ANSWERED = ("error_rate_answered,,,female,any,,,9,90,50", "error_rate_answered,,,male,any,,,2,100,50")


WEIGHTS_OF_50, NO_WEIGHTS = ",50,50,,,,,,0,trials", ",0,0,,,,,,0,trials"


def written(folder: Path, *lines: str, thresholds: tuple[str, ...] = ("0.41,FMR 0.001 on a split",)) -> Path:
    """A run folder with a record and rates; low is half of the rate and high is twice the rate."""
    folder.mkdir()
    write_record(folder, made_record(groupings=(("gender",), ("race",)), min_subjects=20))
    rows = [f"fta,,,{line}" for line in FTE]
    rows += [line.format(at=at) for at in thresholds for line in lines if "{at}" in line]
    rows += [line for line in lines if "{at}" not in line]
    full = []
    for row in rows:
        *labels, errors, trials, subjects = row.split(",")
        metric, rest = labels[0], ",".join(labels[1:])
        value = int(errors) / int(trials)
        weights = f"{subjects},{subjects},{subjects},,,,,,0,trials"  # as many units and effective people as people
        full.append(
            f"{metric},m,{rest},{errors},{trials},{weights},{trials},{value},{value / 2},{2 * value},0.95,wilson"
        )
    (folder / "rates.csv").write_text("\n".join([HEAD, *full]) + "\n")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with comparisons at one threshold, by gender and by race."""
    return written(tmp_path / "run", *COMPARED, *ANSWERED, *AGES, *ATTACKED)


def cell(table: TextTable, group: str, column: str) -> str:
    """One cell of a table by its group and column."""
    row = next(row for row in table.rows if row[0] == group)
    return row[table.columns.index(column)]


def test_a_watchlist_is_answered_by_the_first_grouping_with_the_counts_behind_every_number(run: Path) -> None:
    (table, matrix), assumptions = scenario_tables("watchlist", run, options={"people": 200, "entries": 2})
    assert table.title == "watchlist: 200 people pass, 2 entries on the list; by gender"
    assert [row[0] for row in table.rows] == ["female", "male", "all groups together"]
    assert cell(table, "female", "passers-by") == "100"
    assert cell(table, "female", "fmr: errors / trials (subjects)") == "4 / 1,000 (50)"
    assert cell(table, "female", "fnmr: errors / trials (subjects)") == "10 / 100 (50)"
    assert cell(table, "female", "probability of a false stop") == "0.599% [0.3%, 1.2%], from 6 errors"
    assert cell(table, "all groups together", "false stops").startswith("0.899 [")
    assert matrix.rows[1] == ("female", "male", "0.2% [0.1%, 0.4%], from 2 errors", "2 / 1,000 (100)")
    assert [row[:2] for row in matrix.rows] == [("female", "female"), ("female", "male"), ("male", "male")]
    assert table.notes == (
        "Threshold 0.4100: FMR 0.001 on a split.",
        "Brackets: 95% intervals.",
        "Omitted because a label is missing: unknown.",
    )
    assert any("independence bound" in sentence for sentence in assumptions)


def test_another_grouping_is_selected_by_name_and_its_small_groups_are_dimmed(run: Path) -> None:
    (table,), _ = scenario_tables("unlock", run, by="race")
    assert [row[0] for row in table.rows] == ["white", "black", "all people, regardless of group"]
    assert table.dimmed == {1}
    assert (
        "Groups of fewer than 20 effective subjects are dimmed: their numbers provide little evidence." in table.notes
    )
    assert table.columns[1] == "fmr: errors / trials (subjects)"  # no people are counted


def test_every_threshold_of_the_run_has_its_table_unless_one_is_named(tmp_path: Path) -> None:
    run = written(tmp_path / "run", *COMPARED, thresholds=("0.41,given", "0.52345678,the very pairs (IN-SAMPLE)"))
    both, assumptions = scenario_tables("payment", run)
    assert [table.notes[0] for table in both] == [
        "Threshold 0.4100: given.",
        "Threshold 0.5235: the very pairs (IN-SAMPLE).",
    ]
    assert [any(note.startswith("In-sample") for note in table.notes) for table in both] == [False, True]
    assert len(assumptions) == len(set(assumptions))
    (one,), _ = scenario_tables("payment", run, threshold=0.5235)
    assert one.notes == both[1].notes
    with pytest.raises(RunError, match=r"no rates at threshold 0.7; this run has 0.4100 \(given\), 0.5235 \("):
        scenario_tables("payment", run, threshold=0.7)


@pytest.mark.parametrize("name", ["watchlist", "unlock", "registration", "payment"])
def test_a_run_without_comparisons_gets_the_command_that_makes_them(tmp_path: Path, name: str) -> None:
    run = written(tmp_path / "run", *ANSWERED)
    with pytest.raises(
        RunError, match=r"has none; create one with facegap audit MANIFEST --embed CARD .*--by 'gender'"
    ):
        scenario_tables(name, run)


def test_a_run_without_a_classifier_gets_the_command_that_adds_one(tmp_path: Path) -> None:
    run = written(tmp_path / "run", *COMPARED)
    with pytest.raises(RunError, match=r"needs error_rate_answered or .*--classify CARD --by 'race'"):
        scenario_tables("attributes", run, by="race")


def test_attributes_need_no_threshold_and_accept_none(run: Path) -> None:
    (table,), _ = scenario_tables("attributes", run)
    assert cell(table, "female", "no usable face (FTA)") == "200 [100, 400], from 2 errors"
    assert cell(table, "male", "gender misclassified, of those answered") == "100 [50, 200], from 2 errors"
    with pytest.raises(StatisticsError, match="have no threshold"):
        scenario_tables("attributes", run, threshold=0.41)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_number_from_fewer_than_ten_errors_is_marked(tmp_path: Path, name: str) -> None:
    few = [line.replace("10,4000", "3,4000").replace("10,100", "9,100").replace("20,100", "0,100") for line in COMPARED]
    judged = {"checkpoint": AGES, "kiosk": ATTACKED}.get(name, ANSWERED)
    run = written(tmp_path / "run", *few, *judged)
    options = {"listed_share": 0.001} if name == "watchlist" else {}
    tables, assumptions = scenario_tables(name, run, options=options)
    rows = [row for row in tables[0].rows if row[0] != "all groups together"]  # based on the errors of all groups
    counts = {
        "watchlist": 4,
        "unlock": 3,
        "registration": 2,
        "payment": 1,
        "checkpoint": 2,
        "attributes": 2,
        "kiosk": 2,
    }[name]
    for row in rows:
        said = [cell for cell in row[1:] if re.search(r", from (no error|1 error|[2-9] errors)$", cell)]
        bare = [cell for cell in row[1:] if "[" in cell and cell not in said]
        assert len(said) + len(bare) == counts, row
        # for women the probability of a correct stop is based on 6 false matches and 9 false non-matches
        assert len(bare) == ((name, row[0]) == ("watchlist", "female")), row
    assert any("fewer than 10 errors" in sentence for sentence in assumptions)


def test_ten_errors_need_no_mark_and_a_repeated_rate_counts_once() -> None:
    nine, ten = Rate(9, 1000, 50, 1000.0, 0.004, 0.02), Rate(10, 1000, 50, 1000.0, 0.005, 0.02)
    assert quantity(expected(1_000_000, nine)).endswith(", from 9 errors")
    assert "from" not in quantity(expected(1_000_000, ten))
    assert total([expected(100, nine), expected(200, nine)]).errors == 9
    assert not total([expected(100, nine), expected(200, ten)]).is_thin  # 19 errors
    assert quantity(expected(20_516, Rate(0, 1000, 50, 1000.0, 0.0, 0.004))) == "0 [0, 82.1], from no error"
    assert quantity(exactly(5, "people")) == "5"  # stated, not measured


def test_a_metric_without_trials_is_unknown(tmp_path: Path) -> None:
    run = written(tmp_path / "run", *COMPARED)
    lines = (
        (run / "rates.csv")
        .read_text()
        .replace(f"20,100,50{WEIGHTS_OF_50},100,0.2,0.1,0.4", f"0,0,0{NO_WEIGHTS},,,,")
        .splitlines()
    )
    (run / "rates.csv").write_text("\n".join(lines) + "\n")
    (table,), _ = scenario_tables("registration", run)
    assert cell(table, "female", "refused") == "cannot be determined"
    assert cell(table, "female", "gfrr: errors / trials (subjects)") == "0 / 0 (0)"
    assert cell(table, "all groups together", "refused") == "cannot be determined"
    assert cell(table, "male", "refused") == "50,000 [25,000, 100,000]"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"name": "lottery"}, StatisticsError, "no scenario 'lottery'; there are watchlist, unlock"),
        ({"by": "age"}, RunError, "no groups by 'age'; it has gender, race. Run the audit again with --by age"),
        (
            {"options": {"tries": 3}},
            StatisticsError,
            "watchlist has no option --tries; its options are --people, --entries",
        ),
        ({"folder": Path("nowhere")}, RunError, "nowhere: no such folder"),
    ],
)
def test_impossible_requests_are_rejected_with_the_possible_ones(
    run: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    asked = {"name": "watchlist", "folder": run, **change}
    with pytest.raises(error, match=message):
        scenario_tables(**asked)


def test_a_run_that_was_not_finished_or_was_edited_is_refused(run: Path) -> None:
    text = (run / "rates.csv").read_text()
    (run / "rates.csv").write_text(text.replace("4,1000,50", "four,1000,50"))
    with pytest.raises(TableError, match=r"rates.csv line \d+, column errors: 'four' is not a number"):
        scenario_tables("unlock", run)
    (run / "rates.csv").unlink()
    with pytest.raises(RunError, match="not finished"):
        scenario_tables("unlock", run)


def test_a_grouping_is_found_in_either_order_and_all_people_if_there_is_none(tmp_path: Path) -> None:
    record = made_record(groupings=(("gender",), ("gender", "race")))
    assert chosen_grouping(record, tmp_path, "race*gender") == ("gender", "race")
    assert chosen_grouping(made_record(), tmp_path, None) == ()


def test_shares_are_read_from_group_and_number() -> None:
    assert parse_shares(["darker female=.25", "lighter = male = .75"], "--people-of") == {
        "darker female": 0.25,
        "lighter = male": 0.75,
    }
    assert parse_shares([], "--people-of") is parse_shares(None, "--people-of") is None
    for text in ("female", "female=", "=.5", "female=half", "female=nan"):
        with pytest.raises(StatisticsError, match="is not GROUP=SHARE"):
            parse_shares([text], "--people-of")
    with pytest.raises(StatisticsError, match="is given twice"):
        parse_shares(["a=.5", "a=.5"], "--people-of")


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (1234.5, 99.96, 2e6, "1,234 [100, 2,000,000]"),
        (0.04567, 0.0, 1.5, "0.0457 [0, 1.5]"),
        (7.0, 7.0, 7.0, "7"),
        (math.nan, 0.0, 1.0, "cannot be determined"),
        (3.0, math.nan, math.nan, "3 (interval cannot be determined)"),
        (250.0, 125.0, math.inf, "250 [125, no limit]"),
        (math.inf, 6.0, math.inf, "at least 6"),
    ],
)
def test_numbers_of_people_are_written_with_their_ends(value: float, low: float, high: float, said: str) -> None:
    assert quantity(Quantity(value, low, high, "people")) == said


def test_small_chances_keep_three_digits() -> None:
    assert quantity(Quantity(1.234e-6, 0, 0.5, "chance")) == "0.000123% [0%, 50%]"
    assert [share(1.0), people(0.0)] == ["100%", "0"]


def test_the_command_prints_tables_and_then_assumptions(run: Path) -> None:
    shares = ["--people-of", "female=.25", "--people-of", "male=.75", "--listed-share", "0.0001"]
    found = CliRunner().invoke(app, ["scenario", "watchlist", str(run), *shares])
    assert found.exit_code == 0
    assert found.output.index("all groups together") < found.output.index("Assumptions:")
    assert "0.0001 of the crowd is on the list: stated, not measured" in found.output
    assert "fair" not in found.output.lower()


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_scenario_is_a_name_on_the_command_line(run: Path, name: str) -> None:
    assert CliRunner().invoke(app, ["scenario", name, str(run)]).exit_code == 0


def test_an_audit_with_toy_models_supports_every_scenario_except_those_of_missing_outputs(
    toys: Any, draw: Any, encode: Any, tmp_path: Path
) -> None:
    import facegap

    lines = ["image,subject,gender"]
    for person in range(12):
        for copy in range(2):
            green, red = 250 - 20 * (person % 6) - 3 * copy, 30 + 15 * person
            (tmp_path / f"{person}_{copy}.png").write_bytes(encode(".png", draw(green=green, red=red)))
            lines.append(f"{person}_{copy}.png,P{person},{'female' if person % 2 else 'male'}")
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    facegap.audit(
        tmp_path / "people.csv",
        detect=toys.card("detector"),
        classify=toys.card("classifier"),
        embed=toys.card("embedder"),
        by="gender",
        verify={"threshold": 0.9},
        out=tmp_path / "run",
    )
    without = {"checkpoint": "--age-limit", "kiosk": "needs bpcer"}  # missing from these models
    for name, words in without.items():
        with pytest.raises(RunError, match=words):
            scenario_tables(name, tmp_path / "run")
    for name in SCENARIOS.keys() - without.keys():
        tables, assumptions = scenario_tables(name, tmp_path / "run")
        assert {"female", "male"} <= {row[0] for row in tables[0].rows}
        assert assumptions
    (table, matrix), _ = scenario_tables("watchlist", tmp_path / "run")
    trials = [int(row[-1].split("/")[1].split("(")[0]) for row in matrix.rows]
    assert trials == [60, 144, 60]  # 6 people of two images: 66 - 6 pairs within, 12 * 12 across
    assert np.array([row[0] for row in table.rows]).tolist() == ["female", "male", "all groups together"]
