"""The first screen: who was tested on what and when, and one sentence per metric that says no more than was decided."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facegap.report.figures import figures_of
from facegap.report.finding import contrasts
from facegap.report.first_screen import Line, lines_of
from facegap.report.groups import verdict_text
from facegap.report.questions import Material, told_figures
from facegap.report.tested import about, day
from facegap.store.run import Run


def judged(run: Run, verdict: str, **columns: Any) -> Run:
    """The run with one verdict for all gaps of its primary family."""
    primary = run.gaps["primary"]
    return replace(run, gaps=run.gaps.assign(verdict=run.gaps["verdict"].mask(primary, verdict), **columns))


def only(run: Run) -> Line:
    """The one line of a run of answers."""
    (line,) = lines_of(run)
    return line


def test_a_gap_is_told_in_one_sentence_with_a_pair_of_rates_and_its_verdict(answered_run: tuple[Path, Run]) -> None:
    run = judged(answered_run[1], "gap larger than the margin")
    line, (found,) = only(run), contrasts(run)
    assert re.fullmatch(r"Misclassified or unanswered: [\d.]+% of (wo)?men, [\d.]+% of (wo)?men", line.text)
    assert found.gap is not None
    assert line.verdict == verdict_text(found.gap) == "gap larger than 2 points"
    assert line.details[0].startswith(f"difference {100 * found.gap.difference.value:.1f} points [")
    assert f"{found.worst.rate.errors} of {found.worst.rate.trials} images" in " ".join(line.details)


@pytest.mark.parametrize(
    ("needed", "words"), [(1234.0, "about 1,234 people per group would be needed to find 2 points")]
)
def test_without_enough_data_no_pair_of_rates_is_large_and_the_people_needed_are_said(
    answered_run: tuple[Path, Run], needed: float, words: str
) -> None:
    line = only(judged(answered_run[1], "not enough data", subjects_needed=needed))
    assert line.pair is None
    assert "%" not in line.text
    assert re.fullmatch(r"Misclassified or unanswered: undecided whether (wo)?men and (wo)?men differ", line.text)
    assert line.details[0] == words
    assert line.verdict == "not enough data"


def test_where_no_error_was_seen_the_people_needed_cannot_be_known(answered_run: tuple[Path, Run]) -> None:
    line = only(judged(answered_run[1], "not enough data", subjects_needed=float("nan")))
    assert line.details[0] == "how many people would be needed cannot be known, as no error was seen"


def test_where_no_two_groups_are_large_enough_the_people_needed_are_said_all_the_same(
    answered_run: tuple[Path, Run],
) -> None:
    run = answered_run[1]
    line = only(replace(run, record=replace(run.record, min_subjects=500)))
    assert line.text == "Misclassified or unanswered: undecided, as no two groups are large enough to compare"
    assert line.pair is None
    found = re.fullmatch(r"about ([\d,]+) people per group would be needed to find 2 points", line.details[0])
    assert found is not None
    assert int(found[1].replace(",", "")) >= 500
    assert "groups of fewer than 500 people are not compared" in line.details


def test_every_primary_metric_has_a_line_of_its_own_and_each_line_its_chart(compared_run: tuple[Path, Run]) -> None:
    run = compared_run[1]
    lines = lines_of(run)
    assert [line.metric for line in lines] == ["fmr", "fnmr"]
    assert lines[0].what == "Falsely matched"
    assert lines[1].what == "Falsely rejected"
    figures = figures_of(run)
    told = told_figures(Material(run, lines, figures, (), None, include_ids=False))
    assert [(figure.metric, figure.grouping) for figure in told] == [(line.metric, line.grouping) for line in lines]


def test_with_a_ratio_the_line_says_the_ratio_its_interval_and_the_threshold(compared_run: tuple[Path, Run]) -> None:
    run = judged(compared_run[1], "gap")
    line = lines_of(run)[0]
    assert re.match(r"ratio [\d.]+ \[[\d.]+, [\d.∞]+\] at [\d.]+%", line.details[0])
    assert any(detail.startswith("threshold 0.") for detail in line.details)
    assert "of pairs of " in line.text


def test_a_gap_that_was_found_is_told_before_a_wider_one_that_was_not(tmp_path: Path, make_answered: Any) -> None:
    run = make_answered(tmp_path, ["Ayr", "Bonn"])
    run = replace(run, record=replace(run.record, groupings=tuple(reversed(run.record.groupings))))
    rows = run.gaps[(run.gaps["metric"] == "error_rate_all") & (run.gaps["family"] == "town*gender")]
    narrow = rows["difference"].abs().idxmin()
    gaps = run.gaps.assign(primary=False, verdict="exploratory")
    gaps.loc[rows.index, "primary"], gaps.loc[rows.index, "verdict"] = True, "not enough data"
    gaps.loc[narrow, "verdict"] = "gap"
    (found,) = contrasts(replace(run, gaps=gaps))
    assert {str(found.worst.group), str(found.best.group)} == set(gaps.loc[narrow, ["group_a", "group_b"]])
    (line,) = lines_of(replace(run, gaps=gaps))
    assert line.verdict == "gap"
    assert line.details[-1] == f"the only such gap among {len(rows)} pairs of groups"


# ---- who was tested ----


def test_the_data_set_the_day_people_and_images_per_group_are_named(compared_run: tuple[Path, Run]) -> None:
    run = compared_run[1]
    found = about(run)
    assert found.title == f"Black box {run.record.models['embed']}"
    assert found.facts[0] == f"data set {run.record.manifest.sha256[:8]} (no name given)"
    assert found.facts[1] == day(run.record.date)
    women = run.manifest[run.manifest["gender"] == "female"]
    assert f"women {len(women)} images of {women['subject'].nunique()} people" in found.groups
    assert "6 groups by town x gender" in found.groups
    assert found.table is not None
    assert len(found.table.rows) == 8
    assert "set aside" not in " ".join(found.missing)  # by folds nobody is


def test_people_set_aside_for_the_threshold_are_counted(compared_run: tuple[Path, Run]) -> None:
    run = compared_run[1]
    assert run.matched is not None
    roles = run.matched.roles.astype(object).copy()
    roles[(run.manifest["town"] == "Ayr").to_numpy()] = "threshold_set"
    found = about(replace(run, matched=replace(run.matched, roles=roles.astype(str))))
    aside = run.manifest.loc[run.manifest["town"] == "Ayr", "subject"].nunique()
    assert f"{aside} people set aside to find the threshold, not included in any rate" in found.missing


def test_missing_files_are_counted_first(answered_run: tuple[Path, Run]) -> None:
    run = answered_run[1]
    outcomes = run.faces["outcome"].astype(object).copy()
    outcomes.iloc[:3] = "missing_file"
    found = about(replace(run, faces=run.faces.assign(outcome=outcomes)))
    assert found.missing[0] == f"3 of {len(run.faces)} image files missing or unreadable, not included in any rate"
    assert "each counted as one person" in found.facts[2]


def test_a_name_that_was_given_is_said_and_its_letters_that_move_a_cursor_are_not(
    answered_run: tuple[Path, Run],
) -> None:
    run = answered_run[1]
    settings = {**run.record.request.settings, "groups": {"data_name": "Portraits\x1b[2J"}}
    record = replace(run.record, request=replace(run.record.request, settings=settings))
    assert about(replace(run, record=record)).facts[0] == "Portraits\ufffd[2J"


def test_a_day_is_written_out_and_what_is_none_stays() -> None:
    assert (day("2026-11-29"), day("soon")) == ("29 November 2026", "soon")
