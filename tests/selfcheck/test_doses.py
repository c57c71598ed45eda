"""Claims about simulated stress tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from facegap.errors import TableError
from facegap.selfcheck.doses import DoseRow, described, dose_claims, dose_section
from facegap.selfcheck.rows import row_from_plain, row_to_plain
from facegap.selfcheck.study import Job, run_job
from facegap.selfcheck.worlds_file import preset_path, read_study
from facegap.worlds.doses import DoseSetting, dose_outcome

ENTRY = """title = "one"
worlds = 20
[[doses]]
planted = [0.0, 0.2]
subjects = 40
"""


@pytest.fixture(scope="module")
def row() -> DoseRow:
    found = run_job(Job(DoseSetting(40, 1, 2, 0.2), 12), 0)
    assert isinstance(found, DoseRow)
    return found


def test_a_file_of_doses_is_read_and_run(tmp_path: Path, row: DoseRow) -> None:
    (tmp_path / "worlds.toml").write_text(ENTRY)
    study = read_study(tmp_path / "worlds.toml", quick=False)
    assert [job.spec for job in study.jobs] == [DoseSetting(40, 1, 4, 0.0), DoseSetting(40, 1, 4, 0.2)]
    assert {job.part for job in study.jobs} == {"doses"}
    assert row_from_plain("doses", row_to_plain(row)) == row


@pytest.mark.parametrize(("change", "said"), [(("0.2", "0.9"), "planted"), (("= 40", "= 5"), "subjects")])
def test_impossible_settings_are_rejected(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    (tmp_path / "worlds.toml").write_text(ENTRY.replace(*change))
    with pytest.raises(TableError, match=said):
        read_study(tmp_path / "worlds.toml", quick=False)


def test_the_default_preset_has_a_thousand_worlds_with_and_without_an_interaction() -> None:
    jobs = [job for job in read_study(preset_path("bands"), quick=False).jobs if job.part == "doses"]
    assert {job.worlds for job in jobs} == {1000}
    assert {job.spec.planted for job in jobs if isinstance(job.spec, DoseSetting)} == {0.0, 0.2}


def test_false_interactions_are_rare_and_a_planted_one_is_found_and_covered() -> None:
    null = dose_outcome(DoseSetting(40, 3, 4, 0.0), 100, 0)
    planted = dose_outcome(DoseSetting(100, 3, 4, 0.2), 60, 0)
    assert null.alarms <= 0.1
    assert planted.found >= 0.8
    assert planted.coverage >= 0.88


def test_claims_hold_or_name_the_failed_settings(row: DoseRow) -> None:
    inside = replace(row, worlds=2000, alarms=0.02, coverage=0.95)
    assert [claim.state for claim in dose_claims([inside]) if claim] == ["holds", "holds"]
    loud, off = replace(inside, alarms=0.08), replace(inside, coverage=0.9)
    alarms, coverage = dose_claims([loud, off])
    assert alarms is not None and coverage is not None
    assert (alarms.state, coverage.state) == ("does not hold", "does not hold")
    assert alarms.named == (f"{described(loud)}: 0.080",)
    assert "found in" in coverage.sentence
    assert dose_claims([]) == [None, None]


def test_the_section_has_a_line_per_setting(row: DoseRow) -> None:
    (table,) = dose_section([row, replace(row, planted=0.0)]).tables
    assert len(table.rows) == 2
    assert table.rows[1][5] == ""
