"""The Gender Shades table: the paper's columns and labels for a run's own rows, and what it must never invent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.derive.gaps import gaps_table, image_gaps
from facegap.derive.outcomes import predictions_table
from facegap.derive.results import rates_table
from facegap.report.gender_shades import (
    WIDTH,
    gender_shades_tables,
    other_attribute,
    per_cent,
    split,
    view_rates,
)
from facegap.report.summary import all_tables
from facegap.report.tables import TextTable
from facegap.statistics.intervals import wilson
from facegap.statistics.published import COLUMNS, PRINTED, rebuild_people
from facegap.store.run import Run
from facegap.tables import FACES, MANIFEST, check
from facegap.types import Rate
from fixtures.records import made_record

# Largest distance of a reconstructed cell from print, in points; where no count fits, the paper excluded faces.
FARTHEST = {"PPV": 0.4, "Error": 0.4, "TPR": 0.7, "FPR": 0.7}


def made_run(
    people: Mapping[str, Sequence[str]],
    *,
    by: Sequence[Sequence[str]] = (("gender",),),
    classes: Sequence[str] = ("male", "female"),
    min_subjects: int = 20,
    with_tables: bool = False,
) -> Run:
    """A run of invented rows: `people` has prediction ("" for none), gender, and optionally subject and other labels.

    The table needs neither rates nor gaps; `with_tables` computes them anyway.
    """
    rows = len(people["prediction"])
    frame = pd.DataFrame(people)
    manifest = pd.DataFrame(
        {"row": range(rows), "line": range(2, rows + 2), "image": [f"{k}.png" for k in range(rows)]}
    )
    manifest["path"] = manifest["image"]
    manifest["subject"] = frame["subject"] if "subject" in frame else manifest["image"]
    manifest = check(manifest.join(frame.drop(columns=["prediction", "subject"], errors="ignore")), MANIFEST, "made")
    silent = frame["prediction"] == ""
    faces = manifest[["row", "image"]].assign(outcome=np.where(silent, "no_face", "ok"))
    for name, column in FACES.columns.items():
        if name not in faces:
            faces[name] = {"int": -1, "nullable_int": pd.NA, "float": np.nan, "str": ""}[column.kind]
    raw = faces.assign(prediction=frame["prediction"], probability=np.nan, age=np.nan)
    record = made_record(
        models={"detect": "none", "classify": "made"},
        classes=tuple(classes),
        groupings=tuple(tuple(grouping) for grouping in by),
        min_subjects=min_subjects,
    )
    nothing = pd.DataFrame()
    run = Run(
        record,
        manifest,
        check(faces, FACES, "faces"),
        predictions_table(raw, manifest, classes),
        nothing,
        nothing,
        nothing,
    )
    return replace(run, rates=rates_table(run), gaps=gaps_table(run.record, image_gaps(run))) if with_tables else run


def rows_of(*cells: tuple[str, str, str, int]) -> dict[str, list[str]]:
    """People from (tone, gender, prediction, how many)."""
    repeated = [cell[:3] for cell in cells for _ in range(cell[3])]
    return {name: [cell[k] for cell in repeated] for k, name in enumerate(("tone", "gender", "prediction"))}


# Ten darker women, four of whom are predicted male, ten darker men all correct, five lighter women correct,
# five lighter men, one of whom is predicted female.
BY_HAND = rows_of(
    ("darker", "female", "male", 4),
    ("darker", "female", "female", 6),
    ("darker", "male", "male", 10),
    ("lighter", "female", "female", 5),
    ("lighter", "male", "female", 1),
    ("lighter", "male", "male", 4),
)


def run_of_the_paper(vendor: str) -> Run:
    """The 1,270 people reconstructed from the printed table, as a run."""
    people = rebuild_people(vendor)
    return made_run({"tone": people.tone, "gender": people.gender, "prediction": people.prediction})


def line(table: TextTable, start: str, nth: int = 0) -> dict[str, str]:
    """The nth line of a table with this beginning, by column heading."""
    found = [row for row in table.rows if row[0].startswith(start)][nth]
    return dict(zip(table.columns[1:], found[1:], strict=True))


def counts(cells: Mapping[str, Rate]) -> dict[str, tuple[int, int]]:
    """Errors and trials by column."""
    return {head: (rate.errors, rate.trials) for head, rate in cells.items()}


def test_every_cell_of_thirty_people_is_what_a_hand_counts() -> None:
    found = {label: counts(cells) for label, cells in view_rates(made_run(BY_HAND)).items()}
    assert found["Error"] == {
        "All": (5, 30),
        "F": (4, 15),
        "M": (1, 15),
        "Darker": (4, 20),
        "Lighter": (1, 10),
        "DF": (4, 10),
        "DM": (0, 10),
        "LF": (0, 5),
        "LM": (1, 5),
    }
    assert found["PPV"] == {head: (n - k, n) for head, (k, n) in found["Error"].items()}
    # Predicted female: 6 darker and 5 + 1 lighter; predicted male: 4 + 10 darker and 4 lighter.
    assert found["TPR"] == {
        "All": (25, 30),
        "F": (11, 12),
        "M": (14, 18),
        "Darker": (16, 20),
        "Lighter": (9, 10),
        "DF": (6, 6),
        "DM": (10, 14),
        "LF": (5, 6),
        "LM": (4, 4),
    }
    assert found["FPR"] == {
        "All": (5, 30),
        "F": (4, 18),
        "M": (1, 12),
        "Darker": (4, 20),
        "Lighter": (1, 10),
        "DF": (4, 14),
        "DM": (0, 6),
        "LF": (0, 4),
        "LM": (1, 6),
    }


def test_the_printed_cell_is_the_count_its_share_and_its_interval() -> None:
    (table,) = gender_shades_tables(made_run(BY_HAND))
    assert table.columns == ("per cent", *COLUMNS)
    assert line(table, "Error")["DF"] == "40.0"
    assert line(table, "  wrong/people")["DF"] == "4/10"
    # Wilson, 4 of 10.
    assert (line(table, "  at least", 1)["DF"], line(table, "  at most", 1)["DF"]) == ("16.8", "68.7")
    assert line(table, "TPR: precision")["DM"] == "71.4"
    assert line(table, "  correct/predicted so")["DM"] == "10/14"


def test_an_audit_of_ones_own_speaks_of_no_vendor() -> None:
    (table,) = gender_shades_tables(made_run(BY_HAND))
    told = " ".join(table.notes)
    assert 'labelled "PPV" is the accuracy within the true group' in told
    assert not any(vendor in told for vendor in PRINTED)


@pytest.mark.parametrize("vendor", PRINTED)
def test_people_of_the_paper_give_its_printed_rows(vendor: str) -> None:
    found = view_rates(run_of_the_paper(vendor))
    for label, printed in PRINTED[vendor].items():
        assert list(found[label]) == list(COLUMNS)
        for column, share in zip(COLUMNS, printed, strict=True):
            assert abs(100 * found[label][column].value - share) < FARTHEST[label], (label, column)


@pytest.mark.parametrize(
    ("vendor", "column", "rebuilt"),
    [
        ("Face++", "Darker", 16.13),
        ("Face++", "F", 21.52),
        ("Microsoft", "Darker", 12.73),
        ("Microsoft", "M", 2.70),
        ("Microsoft", "F", 10.76),
    ],
)
def test_margins_rebuilt_from_the_four_cells_differ_from_print(vendor: str, column: str, rebuilt: float) -> None:
    found = view_rates(run_of_the_paper(vendor))["Error"][column]
    assert 100 * found.value == pytest.approx(rebuilt, abs=0.005)
    assert (found.low, found.high) == pytest.approx(wilson(found.errors, found.trials))


ANSWERS = st.lists(
    st.tuples(
        st.sampled_from(["darker", "lighter", "unknown"]),
        st.sampled_from(["female", "male", "other", "unknown"]),
        st.sampled_from(["female", "male", ""]),
        st.sampled_from("abcdefgh"),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=10, deadline=None)
@given(ANSWERS)
def test_the_error_row_says_what_the_rates_of_the_run_say(drawn: list[tuple[str, str, str, str]]) -> None:
    names = ("tone", "gender", "prediction", "subject")
    by = (("gender",), ("tone",), ("tone", "gender"))
    run = made_run(dict(zip(names, zip(*drawn, strict=True), strict=True)), by=by)
    errors = view_rates(run)["Error"]
    heads = {
        ("any", "any"): "All",
        ("any", "female"): "F",
        ("any", "male"): "M",
        ("darker", "any"): "Darker",
        ("lighter", "any"): "Lighter",
        ("darker", "female"): "DF",
        ("darker", "male"): "DM",
        ("lighter", "female"): "LF",
        ("lighter", "male"): "LM",
    }
    rates = rates_table(run)
    chosen = rates[rates["metric"] == "error_rate_all"]
    for _, row in chosen.iterrows():
        head = heads.get((row["tone"], row["gender"]))
        if head in errors:
            rate = errors[head]
            assert (rate.errors, rate.trials, rate.subjects) == (row["errors"], row["trials"], row["subjects"])
            np.testing.assert_array_equal([rate.value, rate.low, rate.high], [row["value"], row["low"], row["high"]])


@settings(max_examples=20, deadline=None)
@given(ANSWERS)
def test_rows_add_up_whatever_the_answers(drawn: list[tuple[str, str, str, str]]) -> None:
    found = view_rates(
        made_run(dict(zip(("tone", "gender", "prediction", "subject"), zip(*drawn, strict=True), strict=True)))
    )
    for head in found["Error"]:
        error, right = found["Error"][head], found["PPV"][head]
        assert error.trials == right.trials
        assert error.errors + right.errors == error.trials
    for first, second in (("F", "M"), ("M", "F")):
        assert found["TPR"][first].trials == found["FPR"][second].trials
        assert found["TPR"][first].errors + found["FPR"][second].errors == found["TPR"][first].trials


# ---- what would mislead ----


def test_a_missing_group_is_a_dash_and_named_not_a_perfect_score() -> None:
    people = rows_of(("darker", "female", "male", 3), ("lighter", "female", "female", 5), ("darker", "male", "male", 4))
    (table,) = gender_shades_tables(made_run(people))
    assert table.columns == ("per cent", *COLUMNS)
    for label in ("PPV", "Error"):
        assert line(table, label)["LM"] == "–"
    assert line(table, "  at least", 1)["LM"] == line(table, "  at most", 1)["LM"] == "–"
    assert line(table, "  wrong/people")["LM"] == "0/0"
    assert any(note.startswith("No images in LM:") for note in table.notes)


def test_a_whole_tone_that_nobody_has_keeps_its_columns() -> None:
    (table,) = gender_shades_tables(made_run(rows_of(("darker", "female", "female", 3), ("darker", "male", "male", 4))))
    assert table.columns == ("per cent", *COLUMNS)
    assert line(table, "Error")["Lighter"] == "–"


def test_a_gender_never_called_has_no_precision() -> None:
    (table,) = gender_shades_tables(made_run(rows_of(("darker", "female", "male", 3), ("darker", "male", "male", 4))))
    assert line(table, "TPR")["F"] == "–"
    assert line(table, "FPR")["M"] == "–"
    assert line(table, "Error")["F"] == "100.0"


def test_one_person_with_many_images_has_a_share_and_no_interval() -> None:
    people = rows_of(("darker", "female", "male", 2), ("darker", "female", "female", 2), ("darker", "male", "male", 4))
    (table,) = gender_shades_tables(made_run({**people, "subject": ["a"] * 4 + list("bcde")}))
    assert line(table, "Error")["F"] == "50.0"
    assert line(table, "  at least", 1)["F"] == "–"
    assert line(table, "  wrong/images")["F"] == "2/4"


def test_those_without_an_answer_are_errors_named_and_in_no_precision() -> None:
    people = rows_of(("darker", "female", "", 3), ("darker", "female", "female", 5), ("darker", "male", "male", 4))
    run = made_run(people)
    (table,) = gender_shades_tables(run)
    assert line(table, "  wrong/people")["F"] == "3/8"
    assert line(table, "  correct/predicted so")["F"] == "5/5"
    assert line(table, "  correct/predicted so")["All"] == "9/9"
    assert line(table, "  missing/people")["DF"] == "3/8"
    assert any(note.startswith("3 of 12 have no prediction") for note in table.notes)


def test_a_run_in_which_all_answered_has_no_line_about_it() -> None:
    (table,) = gender_shades_tables(made_run(BY_HAND))
    assert not any("missing" in row[0] or "No answer" in row[0] for row in table.rows)


def test_other_labels_and_missing_ones_are_counted_out_loud() -> None:
    people = rows_of(
        ("darker", "female", "female", 3),
        ("unknown", "male", "male", 4),
        ("lighter", "nonbinary", "male", 2),
        ("lighter", "unknown", "male", 1),
    )
    (table,) = gender_shades_tables(made_run(people))
    assert line(table, "  wrong/people") == {
        "All": "0/7",
        "F": "0/3",
        "M": "0/4",
        "Darker": "0/3",
        "Lighter": "0/0",
        "DF": "0/3",
        "DM": "0/0",
        "LF": "0/0",
        "LM": "0/0",
    }
    assert any(note.startswith("3 images are excluded") for note in table.notes)
    assert any(note.startswith("4 without a label of tone") for note in table.notes)


def test_a_third_answer_is_an_error_and_nobodys_precision() -> None:
    people = rows_of(("darker", "female", "other", 2), ("darker", "female", "female", 5), ("darker", "male", "male", 4))
    (table,) = gender_shades_tables(made_run(people, classes=("female", "male", "other")))
    assert line(table, "  wrong/people")["F"] == "2/7"
    assert line(table, "  correct/predicted so")["F"] == "5/5"
    assert line(table, "  correct/predicted so")["All"] == "9/11"
    assert any(note.startswith("2 of 11 were predicted as neither") for note in table.notes)


def test_small_groups_are_named_as_such() -> None:
    (table,) = gender_shades_tables(made_run(BY_HAND, min_subjects=15))
    assert "Fewer than 15 effective subjects, shown but not ranked: Lighter, DF, DM, LF, LM." in table.notes


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "–"),
        (0.0, "0.0"),
        (1.0, "100.0"),
        (1 / 4000, "<0.1"),
        (3999 / 4000, ">99.9"),
        (1 / 8, "12.5"),
        (-1e-18, "0.0"),
        (1 - 2e-16, "100.0"),
        (0.0006, "0.1"),
    ],
)
def test_only_none_and_all_print_as_none_and_all(value: float, text: str) -> None:
    assert per_cent(value) == text


def test_one_error_in_four_thousand_is_not_printed_as_none() -> None:
    (table,) = gender_shades_tables(
        made_run(
            rows_of(
                ("darker", "female", "female", 3999), ("darker", "female", "male", 1), ("darker", "male", "male", 9)
            )
        )
    )
    assert line(table, "Error")["F"] == "<0.1"
    assert line(table, "PPV")["F"] == ">99.9"
    assert line(table, "  at least", 1)["F"] == "<0.1"
    assert line(table, "  at least", 1)["M"] == "0.0"


def test_labels_cannot_move_the_cursor() -> None:
    people = {"race": ["\x1b[2Ja"] * 2, "gender": ["female", "male"], "prediction": ["female", "male"]}
    for table in gender_shades_tables(made_run(people, by=(("gender", "race"),))):
        assert not any("\x1b" in text for text in (*table.columns, *table.notes))


# ---- which columns ----


@pytest.mark.parametrize(
    ("labels", "by", "expected"),
    [
        (("tone",), (("gender",),), "tone"),
        (("race",), (("gender",), ("race",)), ""),
        (("race", "age"), (("race",), ("gender", "age"), ("gender", "race")), "age"),
        (("race", "tone"), (("gender", "race"), ("tone", "gender")), "tone"),
        (("race", "tone"), (("gender", "race"),), "race"),
        ((), (), ""),
    ],
)
def test_the_other_attribute_is_what_gender_is_crossed_with_else_tone(
    labels: tuple[str, ...], by: tuple[tuple[str, ...], ...], expected: str
) -> None:
    people = {"gender": ["female", "male"], "prediction": ["female", "male"], **{name: ["a", "b"] for name in labels}}
    assert other_attribute(made_run(people, by=by)) == expected


def test_groups_called_as_a_column_of_the_paper_stay_apart() -> None:
    people = {"gender": ["female", "male", "male"], "prediction": ["female"] * 3, "race": ["F", "All", "F"]}
    (table,) = gender_shades_tables(made_run(people, by=(("gender", "race"),)))
    assert table.columns[1:] == ("All", "F", "M", "race All", "race F", "All F", "All M", "F F", "F M")
    assert (line(table, "  wrong/people")["F"], line(table, "  wrong/people")["race F"]) == ("0/1", "1/2")


def test_a_column_of_measurements_is_no_tone_to_split_by() -> None:
    people = {"gender": ["female", "male"] * 20, "prediction": ["female"] * 40, "tone": [f"{k}.5" for k in range(40)]}
    (table,) = gender_shades_tables(made_run(people))
    assert table.columns == ("per cent", "All", "F", "M")


RACES = ("White", "Black", "Middle Eastern", "East Asian", "Southeast Asian", "Indian", "Latino_Hispanic")


def test_many_levels_go_to_several_tables_that_fit_and_keep_every_column() -> None:
    cells = [(race, kind, kind, 1200) for race in RACES for kind in ("female", "male")]
    people = rows_of(*cells)
    tables = gender_shades_tables(
        made_run({**people, "race": people["tone"], "tone": ["x"] * len(people["tone"])}, by=(("gender", "race"),))
    )
    heads = [head for table in tables for head in table.columns[1:]]
    assert heads == ["All", "F", "M", *sorted(RACES), *(f"{race} {kind}" for race in sorted(RACES) for kind in "FM")]
    for table in tables:
        widths = [max(len(row[k]) for row in (table.columns, *table.rows)) for k in range(1, len(table.columns))]
        assert 24 + sum(widths) + 3 * (len(widths) + 1) + 1 <= WIDTH
    assert [bool(table.notes) for table in tables] == [False] * (len(tables) - 1) + [True]


def test_nine_columns_of_the_paper_are_one_table() -> None:
    people = rebuild_people("IBM")
    run = made_run({"tone": people.tone, "gender": people.gender, "prediction": people.prediction})
    assert len(gender_shades_tables(run)) == 1


def test_a_terminal_of_80_gets_the_margins_and_the_crossings_apart() -> None:
    people = rebuild_people("IBM")
    run = made_run({"tone": people.tone, "gender": people.gender, "prediction": people.prediction})
    first, second = gender_shades_tables(run, width=80)
    assert (first.columns[1:], second.columns[1:]) == (COLUMNS[:5], COLUMNS[5:])
    assert [row[0] for row in first.rows] == [row[0] for row in second.rows]
    assert first.title.endswith(", part 1 of 2")
    assert not first.notes
    assert second.notes


@given(st.lists(st.integers(1, 200), min_size=1, max_size=30), st.integers(30, 200))
def test_splitting_loses_no_column_and_leaves_no_table_empty(widths: list[int], width: int) -> None:
    parts = split([("", *(f"{k}".ljust(w) for k, w in enumerate(widths)))], width)
    assert all(len(part[0]) > 1 for part in parts)
    assert [cell.strip() for part in parts for cell in part[0][1:]] == [str(k) for k in range(len(widths))]


# ---- as a view of any run ----


def titles(found: Sequence[TextTable]) -> list[str]:
    """Titles in order."""
    return [table.title for table in found]


def test_the_view_is_one_more_table_of_the_run_where_it_is_asked_for() -> None:
    run = made_run(BY_HAND, by=(("gender",), ("gender", "tone")), with_tables=True)
    plain = titles(all_tables(run, view=None, include_ids=False))
    assert titles(all_tables(run, view="plain", include_ids=False)) == plain
    viewed = titles(all_tables(run, view="gender-shades", include_ids=False))
    assert [title for title in viewed if title not in plain] == ["as in Gender Shades: gender x tone"]


@pytest.mark.parametrize("changed", [{"classes": ()}, {"classes": ("a",)}, {"classes": ("a", "b", "c")}])
def test_a_run_without_two_genders_says_so_instead_of_failing(changed: dict[str, Any]) -> None:
    (table,) = gender_shades_tables(made_run(BY_HAND, by=(("tone",),), **changed))
    assert not table.rows
    assert "needs a classifier of two genders" in table.notes[0]
