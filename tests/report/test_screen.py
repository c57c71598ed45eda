"""An audit on one screen: the finding first, omissions are stated, the rest on request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from facegap.report import terminal
from facegap.report.finding import contrast
from facegap.report.first_screen import lines_of
from facegap.report.screen import (
    MOST_GROUPS,
    WARNING_LETTERS,
    next_steps,
    screen_tables,
    warnings_in_short,
)
from facegap.report.terminal import Phases, print_run
from facegap.store.run import Run

Stored = tuple[Path, Run]
SCREEN = 40  # lines


def said(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, verbose: bool = False
) -> str:
    monkeypatch.setattr(terminal, "WIDE", 80)
    print_run(run, Path("run"), view=None, include_ids=False, verbose=verbose)
    return capsys.readouterr().out


def test_a_run_fits_one_screen_of_80_columns_and_begins_with_the_finding(
    compared_run: Stored, answered_run: Stored, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _, run in (compared_run, answered_run):
        text = said(run, capsys, monkeypatch)
        assert text.startswith(lines_of(run)[0].text)
        assert len(text.splitlines()) <= SCREEN
        tables = text.split("widest gaps")[1].split("Report:")[0]
        assert max(len(line) for line in tables.splitlines() if not line.startswith(("warning", "Groups"))) <= 80
        assert "run/report.html" in text


def test_verbose_prints_every_table_as_well(
    answered_run: Stored, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    short, whole = (said(answered_run[1], capsys, monkeypatch, verbose=verbose) for verbose in (False, True))
    assert "outcomes of images" not in short
    for title in ("gaps and verdicts", "outcomes of images", "predictions of the classifier"):
        assert title in whole
    assert lines_of(answered_run[1])[0].text in whole


def test_the_tables_are_about_the_metric_of_the_finding(answered_run: Stored) -> None:
    gaps, rates = screen_tables(answered_run[1])
    assert gaps.title.endswith("gender misclassified or unanswered")
    found = contrast(answered_run[1])
    assert found is not None
    assert rates.title == f"gender misclassified or unanswered, by {' x '.join(found.grouping)}"
    values = [float(row[1].rstrip("%")) for row in rates.rows]
    assert values == sorted(values, reverse=True)
    assert len(rates.rows) <= MOST_GROUPS


def test_an_alarm_comes_before_everything(
    answered_run: Stored, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = replace(answered_run[1], record=replace(answered_run[1].record, alarms=("CARD LOOKS WRONG",)))
    assert said(run, capsys, monkeypatch).startswith("!!! CARD LOOKS WRONG !!!")


def test_warnings_that_do_not_fit_are_counted_and_the_first_is_always_whole() -> None:
    assert warnings_in_short([]) == []
    assert warnings_in_short(["a", "b"]) == ["warning: a", "warning: b"]
    long = "x" * (WARNING_LETTERS + 1)
    assert warnings_in_short([long]) == [f"warning: {long}"]
    assert warnings_in_short([long, "b", "c"]) == [f"warning: {long}", "2 more warnings: see the report"]
    assert warnings_in_short(["b", long])[-1] == "1 more warning: see the report"


def test_commands_name_a_folder_with_blanks_as_a_shell_reads_it() -> None:
    assert "facegap explore 'my run'" in next_steps(Path("my run"))[2]


def test_hostile_labels_move_no_cursor(
    hostile_run: Stored, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = said(hostile_run[1], capsys, monkeypatch) + said(hostile_run[1], capsys, monkeypatch, verbose=True)
    assert not any(letter in text for letter in "\x1b\u202e\ufffe")


def test_a_phase_is_announced_with_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    phases = Phases(("models", "pairs", "report"))
    phases("pairs")
    assert capsys.readouterr().err == "2 of 3: pairs\n"
    with pytest.raises(ValueError, match="not in tuple"):
        phases("lunch")
