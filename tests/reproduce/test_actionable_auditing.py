"""Actionable Auditing: which printed errors correspond to people, and what changed between the two audits."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint
from typer.testing import CliRunner

from facegap.audit.run import recheck
from facegap.cli import app
from facegap.report.tables import TextTable
from facegap.reproduce.actionable_auditing import (
    ALIKE,
    FEWER,
    TARGETS,
    gap_changes,
    group_changes,
    mark,
    reproduce_actionable_auditing,
)
from facegap.reproduce.actionable_counts import COLUMNS, PRINTED, counts_of, second_errors
from facegap.reproduce.found import Reproduction
from facegap.statistics.published import GROUP_SIZES, SUBGROUPS
from facegap.store.run import Run, read_record


def without_report(run: Run, folder: Path) -> Path:
    run.write(folder)
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reproduction, Path]:
    """All five companies, with their folder; without reports, which the tests of Gender Shades cover."""
    out = tmp_path_factory.mktemp("reproduced") / "out"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("facegap.reproduce.actionable_auditing.kept", without_report)
        return reproduce_actionable_auditing(out), out


@pytest.fixture(scope="module")
def found(kept: tuple[Reproduction, Path]) -> Reproduction:
    return kept[0]


def table(found: Reproduction, start: str) -> TextTable:
    """The only table with this start of the title."""
    (one,) = [entry for entry in found.tables if entry.title.startswith(start)]
    return one


# ---- whole numbers ----


def test_the_counts_behind_the_printed_errors() -> None:
    assert {vendor: tuple(second_errors(vendor).values()) for vendor in PRINTED} == {
        "Face++": (11, 4, 3, 2),
        "Microsoft": (4, 1, 1, 0),
        "IBM": (46, 2, 7, 1),
        "Amazon": (85, 4, 21, 0),
        "Kairos": (61, 4, 19, 0),
    }


def test_errors_for_darker_women_are_whole_numbers_for_ibm_and_amazon_and_not_for_microsoft() -> None:
    assert counts_of("IBM")["DF"].counts == (46,)
    assert counts_of("Amazon")["DF"].counts == (85,)
    assert not counts_of("Microsoft")["DF"].possible
    assert not counts_of("Microsoft")["DM"].possible


def test_impossible_errors_have_the_largest_possible_number_of_people(found: Reproduction) -> None:
    rows = {(row[0], row[1]): row[2:] for row in table(found, "printed errors that no whole").rows}
    assert set(rows) == {
        *(("Microsoft", column) for column in ("All", "DF", "DM")),
        *(("Kairos", column) for column in ("All", "DF", "DM", "LF")),
        ("IBM", "LF"),
        ("Amazon", "LF"),
    }
    for (_, column), (printed, people, _, most, _) in rows.items():
        assert int(people) == GROUP_SIZES[column]
        share = float(printed) / 100
        fitting = [
            n
            for n in range(1, int(people) + 1)
            if any(f"{100 * k / n:.2f}" == printed for k in (int(share * n), int(share * n) + 1) if k <= n)
        ]
        assert int(most) == max(fitting)


def test_the_zeros_of_kairos_were_added(found: Reproduction) -> None:
    rows = {row[1]: row[6] for row in table(found, "printed errors that no whole").rows if row[0] == "Kairos"}
    assert rows == {"All": "84/1270", "DF": "61/271", "DM": "4/318", "LF": "19/296"}


def test_sums_of_the_groups_agree_with_print_for_all_but_microsoft(found: Reproduction) -> None:
    rows = {row[0]: row[2:] for row in table(found, "printed overall error").rows}
    assert {vendor: row[2] for vendor, row in rows.items()} == {
        "Face++": "yes",
        "Microsoft": "no",
        "IBM": "yes",
        "Amazon": "yes",
        "Kairos": "yes",
    }
    assert rows["IBM"][:2] == ("56/1270", "4.409")


# ---- both audits ----


def test_every_change_of_the_three_companies_has_counts_interval_and_verdict() -> None:
    changes = {(change.vendor, change.group): change for change in group_changes()}
    assert set(changes) == {(vendor, group) for vendor in TARGETS for group in SUBGROUPS}
    ibm = changes["IBM", "DF"]
    assert (ibm.before, ibm.after, ibm.people) == (94, 46, 271)
    assert ibm.found.difference == pytest.approx((46 - 94) / 271)
    assert ibm.found.low < ibm.found.difference < ibm.found.high < 0
    fewer = {key for key, change in changes.items() if change.verdict == FEWER}
    assert fewer == {
        ("Face++", "DF"),
        ("Face++", "LF"),
        ("Microsoft", "DF"),
        ("Microsoft", "DM"),
        ("IBM", "DF"),
        ("IBM", "DM"),
    }
    assert {change.verdict for change in changes.values()} == {FEWER, ALIKE}


def test_p_is_adjusted_over_all_twelve_changes() -> None:
    changes = sorted(group_changes(), key=lambda change: change.found.p)
    assert changes[0].p_adjusted == pytest.approx(12 * changes[0].found.p)
    assert changes[1].p_adjusted == pytest.approx(max(11 * changes[1].found.p, changes[0].p_adjusted))


def test_the_widest_gap_shrank_for_all_three(found: Reproduction) -> None:
    assert [change.verdict for change in gap_changes()] == ["the gap shrank"] * 3
    rows = {row[0]: row[1:4] for row in table(found, "gap between").rows}
    assert rows == {
        "Face++": ("33.5 points", "3.5 points", "-30.0 points"),
        "Microsoft": ("20.7 points", "1.5 points", "-19.2 points"),
        "IBM": ("34.4 points", "16.7 points", "-17.7 points"),
    }


def test_reductions_are_shown_with_those_of_the_abstract(found: Reproduction) -> None:
    rows = {row[0]: row[1:] for row in table(found, "reduction").rows}
    assert rows == {
        "darker-skinned women": ("17.7 to 30.4", "17.73 to 30.40"),
        "everybody": ("5.72 to 8.3", "5.82 to 8.40"),
    }


def test_the_second_audit_is_an_ordinary_run_of_every_company(kept: tuple[Reproduction, Path]) -> None:
    found, out = kept
    assert [folder.name for folder in found.folders] == ["facepp", "microsoft", "ibm", "amazon", "kairos"]
    for folder in found.folders[-2:]:
        assert recheck(folder) == []
        assert read_record(folder).source == "secondary"
        assert any("Raji and Buolamwini" in warning for warning in read_record(folder).warnings)
    gaps = found.runs["Amazon"].gaps
    widest = gaps[gaps["primary"] & (gaps["errors_a"] == 85) & (gaps["errors_b"] == 0)]
    assert list(widest["verdict"]) == ["gap larger than the margin"]
    assert out.stat().st_mode & 0o77 == 0


def test_changes_are_written_as_a_table(kept: tuple[Reproduction, Path]) -> None:
    written = pd.read_csv(kept[1] / "changes.csv")
    assert len(written) == 12 + 3
    assert (written["change_low"] <= written["change_high"]).all()
    assert (written["change_low"] <= written["change"]).all()


def test_every_table_names_its_source(found: Reproduction) -> None:
    assert any("source = secondary" in said for said in found.introduction)
    assert all("source = secondary" in " ".join(entry.notes) for entry in found.tables)


def test_the_chart_has_wilsons_interval_of_every_error(found: Reproduction) -> None:
    (figure,) = found.figures
    assert json.dumps(figure.spec).count('\\"low\\"') == 4 * (5 + 3)
    one = mark("IBM", "DF", "second", 46)
    assert (one["low"], one["high"]) == pytest.approx(proportion_confint(46, 271, method="wilson"))


def test_printed_numbers_keep_their_decimals() -> None:
    assert all(len(texts) == len(COLUMNS) for texts in PRINTED.values())


def test_the_command_prints_it_all(kept: tuple[Reproduction, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    found, out = kept
    monkeypatch.setattr("facegap.reproduce.studies.REPRODUCTIONS", {"actionable-auditing": lambda folder, width: found})
    shown = CliRunner().invoke(app, ["reproduce", "actionable-auditing", "--out", str(out)], env={"COLUMNS": "160"})
    assert shown.exit_code == 0
    assert all(entry.title in shown.output for entry in found.tables)
    assert "changes.csv" in shown.output
