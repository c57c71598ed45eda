"""Gender Shades: the printed table converted to people, audited as a black box, and shown next to the printed numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from facegap.audit.run import recheck
from facegap.cli import app
from facegap.errors import RunError
from facegap.report.gender_shades import WIDTH
from facegap.report.tables import TextTable
from facegap.reproduce.found import Reproduction
from facegap.reproduce.gender_shades import (
    file_name,
    noted_once,
    printed_text,
    reproduce_gender_shades,
    rounds_to,
    verdicts_table,
)
from facegap.reproduce.studies import REPRODUCTIONS
from facegap.statistics import gap_difference
from facegap.statistics.published import COLUMNS, GROUP_SIZES, LABEL_NOTE, PRINTED
from facegap.store.run import read_record, read_run


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reproduction, Path]:
    """All three vendors, with their folder."""
    out = tmp_path_factory.mktemp("reproduced") / "out"
    return reproduce_gender_shades(out), out


@pytest.fixture(scope="module")
def found(kept: tuple[Reproduction, Path]) -> Reproduction:
    """All three vendors."""
    return kept[0]


def table(found: Reproduction, start: str) -> TextTable:
    """The only table with this start of the title."""
    (one,) = [entry for entry in found.tables if entry.title.startswith(start)]
    return one


def test_the_four_cells_of_microsoft_are_whole_numbers_of_people(found: Reproduction) -> None:
    rates = found.runs["Microsoft"].rates
    cells = rates[(rates["metric"] == "error_rate_all") & (rates["gender"] != "any") & (rates["tone"] != "any")]
    counted = {(row["tone"], row["gender"]): (row["errors"], row["trials"]) for _, row in cells.iterrows()}
    assert counted == {
        ("darker", "female"): (56, 271),
        ("darker", "male"): (19, 318),
        ("lighter", "female"): (5, 296),
        ("lighter", "male"): (0, 385),
    }


@pytest.mark.parametrize("vendor", PRINTED)
def test_printed_numbers_are_below_our_own_in_the_nine_columns(found: Reproduction, vendor: str) -> None:
    shown = table(found, vendor)
    assert shown.columns[1:] == COLUMNS
    printed = [row[1:] for row in shown.rows if row[0].strip() == "as printed"]
    assert [tuple(float(cell.rstrip("*")) for cell in row) for row in printed] == list(PRINTED[vendor].values())
    wrong = next(row for row in shown.rows if row[0].strip() == "wrong/people")
    assert [int(cell.split("/")[1]) for cell in wrong[1:]] == [GROUP_SIZES[column] for column in COLUMNS]


@pytest.mark.parametrize("vendor", PRINTED)
def test_our_proportions_differ_from_print_by_less_than_a_point(found: Reproduction, vendor: str) -> None:
    rows = table(found, vendor).rows
    for k, row in enumerate(rows):
        if row[0].strip() == "as printed":
            ours = [float(cell) for cell in rows[k - 1][1:]]
            assert ours == pytest.approx([float(cell.rstrip("*")) for cell in row[1:]], abs=0.8)


def test_the_six_impossible_cells_are_found_and_marked(found: Reproduction) -> None:
    rows = table(found, "printed errors that no whole number").rows
    assert [row[:2] for row in rows] == [
        ("Microsoft", "F"),
        ("Microsoft", "DF"),
        ("Face++", "DF"),
        ("Face++", "DM"),
        ("IBM", "M"),
        ("IBM", "DM"),
    ]
    assert [row[4] for row in rows] == ["61/567", "56/271", "93/271", "2/318", "39/703", "38/318"]
    for label in ("PPV", "Error"):
        marked = [
            (vendor, head) for vendor in PRINTED for head, text in printed_text(vendor)[label].items() if "*" in text
        ]
        assert marked == [row[:2] for row in rows]
    assert not any("*" in text for vendor in PRINTED for text in printed_text(vendor)["TPR"].values())


def test_margins_that_do_not_add_up_are_shown_with_print(found: Reproduction) -> None:
    rows = {row[:2]: row[2:4] for row in table(found, "printed errors that differ from the sum").rows}
    assert rows == {
        ("Face++", "Darker"): ("16.5", "16.13"),
        ("Face++", "F"): ("21.3", "21.52"),
        ("Microsoft", "Darker"): ("12.9", "12.73"),
        ("Microsoft", "M"): ("2.6", "2.70"),
        ("Microsoft", "F"): ("10.7", "10.76"),
        ("IBM", "M"): ("5.6", "5.55"),
    }


@pytest.mark.parametrize(("exact", "fits"), [(5.55, True), (5.65, True), (5.549, False), (5.651, False)])
def test_halves_are_rounded_either_way(exact: float, fits: bool) -> None:
    assert rounds_to(exact, 5.6) is fits


def test_the_meaning_of_the_labels_is_stated_once_and_first(found: Reproduction) -> None:
    said = [*found.introduction, *(note for entry in found.tables for note in entry.notes)]
    assert said.count(LABEL_NOTE) == 1
    assert LABEL_NOTE in found.introduction
    assert len(said) == len(set(said))


def test_every_table_says_that_its_source_is_secondary(found: Reproduction) -> None:
    assert any("source = secondary" in sentence for sentence in found.introduction)
    for entry in found.tables:
        assert "source = secondary" in " ".join((entry.title, *entry.notes))


def test_the_last_table_has_every_gap_of_every_vendor_with_its_verdict(found: Reproduction) -> None:
    last = found.tables[-1]
    assert last.title == "gaps and verdicts"
    assert [row[0] for row in last.rows if row[0]] == list(PRINTED)
    assert len(last.rows) == 3 * (1 + 1 + 6)
    rows = {(row[1], row[2]): row for row in last.rows}
    assert rows["female, male", "61/567, 19/703"][6] == "exploratory"  # the crossed groups are the primary family
    assert rows["female, male", "61/567, 19/703"][3] == "8.1 points"
    decided = rows["female, male", "61/567, 19/703"][5]  # the only pair of its family, so at 95%
    assert decided.endswith(" points, 95%")
    ends = [float(end) for end in decided[1:].split("]")[0].split(", ")]
    assert ends == pytest.approx([100 * end for end in gap_difference(61, 567, 19, 703)], abs=0.01)
    assert rows["lighter male, darker male", "3/385, 2/318"][6] == "not enough data"


def test_the_worse_group_is_named_first(found: Reproduction) -> None:
    for row in found.tables[-1].rows:
        worse, better = (int(k) / int(n) for k, n in (cell.split("/") for cell in row[2].split(", ")))
        assert worse >= better


def test_a_gap_without_trials_is_dashes_not_zero(found: Reproduction) -> None:
    run = found.runs["IBM"]
    gap = (
        run.gaps[run.gaps["metric"] == "error_rate_all"]
        .iloc[[-2]]
        .assign(
            errors_b=0,
            trials_b=0,
            difference=float("nan"),
            difference_low=float("nan"),
            difference_high=float("nan"),
            p_adjusted=float("nan"),
            decided_low=float("nan"),
            decided_high=float("nan"),
            verdict="not enough data",
            differs=False,
            within_margin=False,
        )
    )
    (row,) = verdicts_table({"IBM": replace(run, gaps=gap)}).rows
    assert row[2:] == ("115/567, 0/0", "–", "–", "–", "not enough data")


FOLDED = {"worse, better": 14, "deciding interval": 23, "verdict": 16}  # characters; these may wrap at spaces


def column_width(name: str, cells: list[str]) -> int:
    """Characters that a column needs."""
    if name not in FOLDED:
        return max(map(len, cells))
    assert max(len(word) for cell in cells for word in cell.split()) <= FOLDED[name]
    return FOLDED[name]


def test_tables_fit_120_columns_but_for_the_first_one(found: Reproduction) -> None:
    for entry in found.tables:
        cells = [entry.columns, *entry.rows]
        first = 24 if entry.columns[0] == "per cent" else max(len(row[0]) for row in cells)  # it may wrap at spaces
        others = [column_width(name, [row[k] for row in cells]) for k, name in enumerate(entry.columns) if k]
        assert first + sum(others) + 3 * len(entry.columns) + 1 <= WIDTH, entry.title


# ---- stored files ----


def test_each_kept_run_rechecks(kept: tuple[Reproduction, Path]) -> None:
    reproduction, out = kept
    assert [folder.name for folder in reproduction.folders] == ["microsoft", "facepp", "ibm"]
    for folder in reproduction.folders:
        assert recheck(folder) == []
        assert (folder / "report.html").is_file()
        assert folder.parent == out


def test_kept_runs_say_that_their_source_is_secondary(kept: tuple[Reproduction, Path]) -> None:
    for folder in kept[0].folders:
        record = read_record(folder)
        assert record.source == "secondary"
        assert any("source = secondary" in warning for warning in record.warnings)
        assert "source = secondary" in (folder / "report.html").read_text()


def test_stored_files_are_accepted_by_the_black_box_command(kept: tuple[Reproduction, Path]) -> None:
    from fixtures.settings import audit_predictions

    reproduction, out = kept
    again = audit_predictions(out / "ibm.csv", out / "people.csv", model="IBM", by="gender*tone,gender,tone")
    pd.testing.assert_frame_equal(again.rates, reproduction.runs["IBM"].rates)
    assert len(read_run(out / "ibm").manifest) == 1270


def test_a_folder_that_is_not_empty_is_rejected_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty; choose another --out"):
        reproduce_gender_shades(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_vendor_names_make_plain_file_names() -> None:
    assert [file_name(vendor) for vendor in PRINTED] == ["microsoft", "facepp", "ibm"]


def test_a_note_shared_by_tables_follows_the_last() -> None:
    made = [TextTable(str(k), ("a",), (), notes=notes) for k, notes in enumerate([("x", "y"), ("x",), ()])]
    assert [entry.notes for entry in noted_once(made)] == [("y",), ("x",), ()]


def test_the_command_prints_it_all_and_names_the_folders(
    kept: tuple[Reproduction, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    reproduction, out = kept
    monkeypatch.setattr(
        "facegap.reproduce.studies.REPRODUCTIONS", {"gender-shades": lambda folder, width: reproduction}
    )
    shown = CliRunner().invoke(app, ["reproduce", "gender-shades"])
    assert shown.exit_code == 0
    assert shown.output.startswith(reproduction.introduction[0][:60])
    assert all(entry.title in shown.output for entry in reproduction.tables)
    assert f"facegap recheck {out / 'ibm'}" in shown.output


def test_only_known_tables_can_be_reproduced() -> None:
    assert CliRunner().invoke(app, ["reproduce", "something-else"]).exit_code == 2
    assert list(REPRODUCTIONS) == ["gender-shades", "actionable-auditing", "nist-2020"]


def test_answers_of_a_black_box_can_be_viewed_so_too(kept: tuple[Reproduction, Path], tmp_path: Path) -> None:
    files = [str(kept[1] / name) for name in ("ibm.csv", "people.csv")]
    shown = CliRunner().invoke(
        app, ["audit-predictions", *files, "--view", "gender-shades", "--by", "gender", "--out", str(tmp_path / "run")]
    )
    assert shown.exit_code == 0
    assert "as in Gender Shades: gender x tone" in shown.output
