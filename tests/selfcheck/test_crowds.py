"""Claims about heterogeneous people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facegap.errors import TableError
from facegap.selfcheck.crowds import crowd_claims, crowd_section, described
from facegap.selfcheck.rows import CrowdRow, row_from_plain, row_to_plain
from facegap.selfcheck.study import CrowdSetting, Job, run_job
from facegap.selfcheck.worlds_file import preset_path, read_study
from facegap.worlds.crowds import Crowd

ENTRY = """title = "one"
worlds = 20
[[crowds]]
kind = "classification"
subjects = [20, 40]
images = "zipf"
most = 50
errs = "goats"
strength = 0.1
rates = 0.1
"""


@pytest.fixture(scope="module")
def row() -> CrowdRow:
    found = run_job(Job(CrowdSetting(Crowd("classification", 40, "zipf", 50, "beta", 0.1, 0.1), 3), 40), 0)
    assert isinstance(found, CrowdRow)
    return found


def test_a_file_of_crowds_is_read_and_run(tmp_path):
    (tmp_path / "worlds.toml").write_text(ENTRY)
    study = read_study(tmp_path / "worlds.toml", quick=False)
    assert [job.spec.crowd.people for job in study.jobs] == [20, 40]
    assert [job.part for job in study.jobs] == ["crowds", "crowds"]
    found = run_job(study.jobs[0], 0)
    assert not found.required, "no band is set where a few people have most of the errors"
    assert row_from_plain("crowds", row_to_plain(found)) == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('errs = "goats"', 'errs = "wolves"'), "goes with another kind"),
        (('errs = "goats"', 'errs = "bad images"'), "for kind = 'genuine' only"),
        (("strength = 0.1", "strength = 0.5"), "alone give more than the rate"),
        (("strength = 0.1", "strength = 3"), "from 0 to 0.9"),
        (('images = "zipf"', 'images = "many"'), "images"),
        (("most = 50", "most = 500"), "1 to 200"),
    ],
)
def test_inconsistent_keys_are_rejected(tmp_path, change, said):
    (tmp_path / "worlds.toml").write_text(ENTRY.replace(*change))
    with pytest.raises(TableError, match=said):
        read_study(tmp_path / "worlds.toml", quick=False)


def test_claims_name_the_settings_outside_the_requirements(row):
    inside = replace(row, worlds=2000, coverage=0.95, per_person=0.95, gap_coverage=0.95, width=1.2, false_alarm=0.01)
    states = [claim.state for claim in crowd_claims([inside]) if claim]
    assert states == ["holds", "holds", "holds"]
    low = replace(inside, coverage=0.90)
    wide = replace(inside, width=3.0)
    alarmed = replace(inside, false_alarm=0.09)
    coverage, width, alarms, few = crowd_claims([inside, low, wide, alarmed])
    assert (coverage.state, width.state, alarms.state, few) == (*["does not hold"] * 3, None)
    assert coverage.named == (f"{described(low)}: 0.900 ± 0.007",)
    assert "3.00" in width.named[0]


def test_a_few_people_with_most_errors_are_reported_without_requirement(row):
    few = replace(row, required=False, errs="goats", missed=0.2, coverage=0.7)
    claims = [claim for claim in crowd_claims([few]) if claim]
    assert [claim.state for claim in claims] == ["holds", "reported"]
    assert "0.200" in claims[1].sentence


def test_the_section_has_a_row_for_each_setting(row):
    section = crowd_section([row, row])
    assert len(section.tables[0].rows) == 2
    assert section.tables[0].rows[0][0].startswith("error rate per image, ")


def test_the_preset_has_every_law():
    study = read_study(preset_path("bands"), quick=True)
    crowds = [job.spec.crowd for job in study.jobs if isinstance(job.spec, CrowdSetting)]
    assert {crowd.kind for crowd in crowds} == {"classification", "genuine", "impostor"}
    assert {"beta", "with images", "goats", "sessions", "wolves", "lookalikes", "twins"} <= {c.errs for c in crowds}
    long = read_study(preset_path("bands"), quick=False)
    assert min(job.worlds for job in long.jobs if isinstance(job.spec, CrowdSetting)) >= 2_000
