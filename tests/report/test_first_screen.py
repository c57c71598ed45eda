"""The first screen: what was tested, and one sentence per metric that states no more than was decided."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facegap.report.figures import figures_of
from facegap.report.finding import contrasts
from facegap.report.first_screen import NOTHING, Line, headline, lines_of
from facegap.report.groups import verdict_text
from facegap.report.questions import Material, figures_of_finding
from facegap.report.rate_tables import rate_tables
from facegap.report.tables import title_of
from facegap.report.tested import about, day
from facegap.store.run import Run


def judged(run: Run, verdict: str, **columns: Any) -> Run:
    """The run with the same verdict for all gaps of its primary family."""
    primary = run.gaps["primary"]
    return replace(run, gaps=run.gaps.assign(verdict=run.gaps["verdict"].mask(primary, verdict), **columns))


def only(run: Run) -> Line:
    """The only line of a run of predictions."""
    (line,) = lines_of(run)
    return line


def test_a_gap_is_told_in_one_sentence_with_a_pair_of_rates_and_its_verdict(answered_run: tuple[Path, Run]) -> None:
    run = judged(answered_run[1], "gap larger than the margin")
    line, (found,) = only(run), contrasts(run)
    assert re.fullmatch(r"Gender misclassified or unanswered: [\d.]+% of (wo)?men, [\d.]+% of (wo)?men", line.text)
    assert found.gap is not None
    assert line.verdict == verdict_text(found.gap) == "gap larger than 2 points"
    assert line.details[0].startswith(f"difference {100 * found.gap.difference.value:.1f} points [")
    assert f"{found.worst.rate.errors} of {found.worst.rate.trials} images" in " ".join(line.details)


@pytest.mark.parametrize(
    ("needed", "words"), [(1234.0, "about 1,234 people per group would be needed to detect a gap of 2 points")]
)
def test_without_enough_data_no_pair_of_rates_is_large_and_the_people_needed_are_said(
    answered_run: tuple[Path, Run], needed: float, words: str
) -> None:
    line = only(judged(answered_run[1], "not enough data", subjects_needed=needed))
    assert line.pair is None
    assert "%" not in line.text
    assert re.fullmatch(
        r"Gender misclassified or unanswered: undecided whether (wo)?men and (wo)?men differ", line.text
    )
    assert line.details[0] == words
    assert line.verdict == "not enough data"


def test_where_no_error_was_seen_the_people_needed_cannot_be_known(answered_run: tuple[Path, Run]) -> None:
    line = only(judged(answered_run[1], "not enough data", subjects_needed=float("nan")))
    assert line.details[0] == "the number of people needed is unknown, because no error was observed"


def test_where_no_two_groups_are_large_enough_the_people_needed_are_said_all_the_same(
    answered_run: tuple[Path, Run],
) -> None:
    run = answered_run[1]
    line = only(replace(run, record=replace(run.record, min_subjects=500)))
    assert (
        line.text
        == "Gender misclassified or unanswered: undecided, because fewer than two groups are large enough to compare"
    )
    assert line.pair is None
    found = re.fullmatch(
        r"about ([\d,]+) people per group would be needed to detect a gap of 2 points", line.details[0]
    )
    assert found is not None
    assert int(found[1].replace(",", "")) >= 500
    assert "groups of fewer than 500 people are not compared" in line.details


def test_every_primary_metric_has_a_line_of_its_own_and_each_line_its_chart(compared_run: tuple[Path, Run]) -> None:
    run = compared_run[1]
    lines = lines_of(run)
    assert [line.metric for line in lines] == ["fmr", "fnmr"]
    assert lines[0].what == "Falsely matched (FMR)"
    assert lines[1].what == "Falsely rejected (FNMR)"
    figures = figures_of(run)
    told = figures_of_finding(Material(run, lines, figures, (), None, include_ids=False))
    assert [(figure.metric, figure.grouping) for figure in told] == [(line.metric, line.grouping) for line in lines]


def test_with_a_ratio_the_line_says_the_ratio_its_interval_and_the_threshold(compared_run: tuple[Path, Run]) -> None:
    run = judged(compared_run[1], "gap")
    line = lines_of(run)[0]
    assert re.match(r"ratio [\d.]+ \[[\d.]+, [\d.∞]+\] \([\d.]+% interval", line.details[0])
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


def with_rates(run: Run, **columns: Any) -> Run:
    """The run with other values in all rates of wrong or missing predictions."""
    rates = run.rates.copy()
    rates.loc[rates["metric"] == "error_rate_all", list(columns)] = list(columns.values())
    return replace(run, rates=rates)


def test_headline_chart_and_tables_call_a_rate_by_the_same_words(
    answered_run: tuple[Path, Run], compared_run: tuple[Path, Run]
) -> None:
    for _, run in (answered_run, compared_run):
        lines = lines_of(run)
        figures = {(figure.metric, figure.grouping): figure for figure in figures_of(run)["errors"]}
        headings = {cell for table in rate_tables(run) for cell in table.columns}
        for line in lines:
            words = title_of(line.metric)
            assert line.what == words[:1].upper() + words[1:]
            assert figures[line.metric, line.grouping].title.startswith(f"{words}, by ")
            assert json.dumps(figures[line.metric, line.grouping].spec).count(words) >= 2  # its axis, and in words
            assert words in headings


def test_a_level_above_that_of_the_rates_is_explained_and_another_is_not(
    answered_run: tuple[Path, Run], compared_run: tuple[Path, Run]
) -> None:
    stricter = lines_of(judged(compared_run[1], "gap", decided_level=0.975))[0]
    assert "(97.5% interval, adjusted for 2 gaps that are tested together)" in stricter.details[0]
    plain = only(judged(answered_run[1], "gap", decided_level=0.95))
    assert plain.details[0].endswith("(95% interval)")


def test_a_group_without_an_error_is_told_with_the_rate_that_cannot_be_ruled_out(
    answered_run: tuple[Path, Run],
) -> None:
    run = with_rates(judged(answered_run[1], "not enough data"), errors=0, trials=40, value=0.0, low=0.0, high=0.0881)
    said = " ".join(only(run).details)
    assert "0 errors in 40 images, up to 8.8% cannot be ruled out" in said
    assert "0 of 40" not in said


def test_errors_without_an_answer_are_counted_beside_the_others(answered_run: tuple[Path, Run]) -> None:
    run = judged(answered_run[1], "gap")
    (found,) = contrasts(run)
    assert found.gap is not None
    lost = found.gap.losses
    said = next(detail for detail in only(run).details if "answer" in detail)
    told = (
        "none unanswered"
        if lost is None
        else f"unanswered: {lost.worse} of the former images, {lost.better} of the latter"
    )
    assert said.startswith(told)


def test_everybody_is_told_as_all_groups_together(answered_run: tuple[Path, Run]) -> None:
    run = replace(answered_run[1], record=replace(answered_run[1].record, min_subjects=500))
    (whole,) = [detail for detail in only(run).details if detail.startswith("all groups together: ")]
    assert re.fullmatch(r"all groups together: [\d,]+ of [\d,]+ images \(95% interval \[[\d.]+, [\d.]+\]%\)", whole)
    none = with_rates(run, errors=0, value=0.0, low=0.0, high=0.0201)
    (whole,) = [detail for detail in only(none).details if detail.startswith("all groups together: ")]
    assert re.fullmatch(r"all groups together: 0 errors in [\d,]+ images, up to 2.0% cannot be ruled out", whole)


def test_groups_of_one_rate_have_no_worst(answered_run: tuple[Path, Run]) -> None:
    run = with_rates(judged(answered_run[1], "gap"), errors=5, trials=20, value=0.25, low=0.1, high=0.4)
    widest = run.rates.index[(run.rates["metric"] == "error_rate_all") & (run.rates["gender"] == "male")][0]
    run.rates.loc[widest, "high"] = 0.7
    line = only(run)
    assert line.pair is None
    assert line.said == "25.0% in every group large enough to compare"
    assert line.details[0] == "the widest interval is that of men: 5 of 20 images (95% interval [10.0, 70.0]%)"


def test_a_rate_without_an_interval_shows_none(answered_run: tuple[Path, Run]) -> None:
    run = with_rates(judged(answered_run[1], "not enough data"), low=float("nan"), high=float("nan"))
    said = " ".join(only(run).details)
    assert re.search(r"\bnan\b", said) is None
    assert "interval [" not in said


# ---- the same as a list ----


def test_the_list_holds_each_sentence_its_verdict_and_what_it_rests_on(compared_run: tuple[Path, Run]) -> None:
    run = compared_run[1]
    lines, said = lines_of(run), headline(run)
    assert len(said) == len(lines) == 2
    for line, sentence in zip(lines, said, strict=True):
        assert sentence.startswith(f"{line.text}. Verdict: {line.verdict}. ")
        assert sentence.lower().endswith(f"{'; '.join(line.details)}.".lower())


def test_where_nothing_was_tried_that_is_said(answered_run: tuple[Path, Run]) -> None:
    run = answered_run[1]
    assert headline(replace(run, rates=run.rates.iloc[:0], gaps=run.gaps.iloc[:0])) == (NOTHING,)


def test_a_tone_that_was_measured_is_not_told_as_if_it_were_the_persons(tmp_path: Path, make_answered: Any) -> None:
    run = make_answered(tmp_path, ["Ayr", "Bonn"], measured_tone=["darker", "lighter"] * 40)
    (said,) = headline(replace(run, record=replace(run.record, groupings=(("measured_tone",),))))
    assert re.search(r"people measured as (darker|lighter)", said)


# ---- what was tested ----


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
    assert "set aside" not in " ".join(found.missing)  # with folds, nobody is held out


def test_people_set_aside_for_the_threshold_are_counted(compared_run: tuple[Path, Run]) -> None:
    run = compared_run[1]
    assert run.matched is not None
    roles = run.matched.roles.astype(object).copy()
    roles[(run.manifest["town"] == "Ayr").to_numpy()] = "threshold_set"
    found = about(replace(run, matched=replace(run.matched, roles=roles.astype(str))))
    aside = run.manifest.loc[run.manifest["town"] == "Ayr", "subject"].nunique()
    assert f"{aside} people held out for setting the threshold, not included in any rate" in found.missing


def test_missing_files_are_counted_first(answered_run: tuple[Path, Run]) -> None:
    run = answered_run[1]
    outcomes = run.faces["outcome"].astype(object).copy()
    outcomes.iloc[:3] = "missing_file"
    found = about(replace(run, faces=run.faces.assign(outcome=outcomes)))
    assert found.missing[0] == f"3 of {len(run.faces)} image files missing or unreadable, not included in any rate"
    assert "each treated as a different person" in found.facts[2]


def test_a_name_that_was_given_is_said_and_its_letters_that_move_a_cursor_are_not(
    answered_run: tuple[Path, Run],
) -> None:
    run = answered_run[1]
    settings = {**run.record.request.settings, "groups": {"data_name": "Portraits\x1b[2J"}}
    record = replace(run.record, request=replace(run.record.request, settings=settings))
    assert about(replace(run, record=record)).facts[0] == "Portraits\ufffd[2J"


def test_a_day_is_written_out_and_what_is_none_stays() -> None:
    assert (day("2026-11-29"), day("soon")) == ("29 November 2026", "soon")
