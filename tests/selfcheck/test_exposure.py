"""Claims about gaps after balancing exposure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facegap.errors import TableError
from facegap.selfcheck.exposure import ExposureRow, described, exposure_claims, exposure_section
from facegap.selfcheck.rows import row_from_plain, row_to_plain
from facegap.selfcheck.study import Job, run_job
from facegap.selfcheck.worlds_file import preset_path, read_study
from facegap.worlds.exposure import ExposureSetting

ENTRY = """title = "one"
worlds = 20
[[exposure]]
gap = ["through", "half"]
subjects = 40
reliability = [1.0, 0.5]
"""


@pytest.fixture(scope="module")
def row() -> ExposureRow:
    found = run_job(Job(ExposureSetting(100, 1, "half", 1.0), 12), 0)
    assert isinstance(found, ExposureRow)
    return found


def test_a_file_of_exposures_is_read_and_run(tmp_path, row):
    (tmp_path / "worlds.toml").write_text(ENTRY)
    study = read_study(tmp_path / "worlds.toml", quick=False)
    assert [(job.spec.route, job.spec.reliability) for job in study.jobs] == [
        ("through", 1.0),
        ("through", 0.5),
        ("half", 1.0),
        ("half", 0.5),
    ]
    assert {job.part for job in study.jobs} == {"exposure"}
    assert row_from_plain("exposure", row_to_plain(row)) == row


@pytest.mark.parametrize(
    ("change", "said"),
    [(('"half"', '"quarter"'), "gap"), (("0.5", "0"), "reliability"), (("= 40", "= 5"), "subjects")],
)
def test_impossible_settings_are_rejected(tmp_path, change, said):
    (tmp_path / "worlds.toml").write_text(ENTRY.replace(*change))
    with pytest.raises(TableError, match=said):
        read_study(tmp_path / "worlds.toml", quick=False)


def test_the_default_preset_has_every_route_of_a_gap_and_a_noisy_covariate_at_100_people():
    specs = [job.spec for job in read_study(preset_path("bands"), quick=False).jobs if job.part == "exposure"]
    assert {spec.route for spec in specs if spec.reliability == 1} == {"through", "half", "beside"}
    assert any(spec.reliability < 1 for spec in specs)
    assert {spec.people for spec in specs} == {100}


def test_claims_hold_or_name_the_failed_settings(row):
    inside = replace(row, worlds=2000, coverage=0.95)
    noisy = replace(row, worlds=2000, reliability=0.5, required=False, left=0.15, marked=1.0)
    coverage, noise = exposure_claims([inside, noisy])
    assert (coverage.state, noise.state) == ("holds", "holds")
    low = replace(inside, coverage=0.9)
    coverage, noise = exposure_claims([inside, low, replace(noisy, left=0.3)])
    assert (coverage.state, noise.state) == ("does not hold", "does not hold")
    assert coverage.named == (f"{described(low)}: 0.900",)
    _, unmarked = exposure_claims([replace(noisy, marked=0.0)])
    assert unmarked.state == "does not hold"
    assert exposure_claims([]) == [None, None]


def test_the_section_has_a_line_per_setting(row):
    (table,) = exposure_section([row, replace(row, reliability=0.5, marked=1.0)]).tables
    assert len(table.rows) == 2
    assert "attenuated" in table.rows[1]
