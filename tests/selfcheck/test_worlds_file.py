"""Settings files are read strictly: every error names the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from facegap.errors import TableError
from facegap.selfcheck.rows import row_from_plain, row_to_plain
from facegap.selfcheck.study import Job, PowerSetting, run_job
from facegap.selfcheck.worlds_file import preset_path, read_study
from facegap.worlds.people import Setting

STUDIES = sorted((Path(__file__).parents[2] / "benchmarks" / "worlds").glob("*.toml"))
HEAD = 'title = "worlds"\nworlds = 100\nquick_worlds = 20\n'
COVERAGE = """
[[coverage]]
kind = "classification"
subjects = [10, 20]
images = 2
rates = 0.1
effect = "beta"
strengths = 0.1
"""
FAMILY = (
    '[[families]]\nname = "f"\nkind = "impostor"\nrates = [0.1, 0.2]\nsubjects = [30, 40]\nimages = 1\nstrength = 0.1\n'
)
POWER = '[[power]]\nkind = "genuine"\nrate = 0.1\ngaps = [2.0]\nsubjects = 20\nimages = 2\n'
SEARCH = "[[search]]\ngallery = 50\nsubjects = 10\nfpir = 0.1\nfnir = 0.1\n"
LABELS = '[[labels]]\nkind = "classification"\nsubjects = 20\nimages = 1\nrate = 0.1\ngap = 0.1\nflipped = [0, 0.1]\n'


def read(tmp_path, text, *, quick=False):
    path = tmp_path / "worlds.toml"
    path.write_text(text, encoding="utf-8")
    return read_study(path, quick=quick)


@pytest.mark.parametrize("path", [preset_path("small"), preset_path("medium"), *STUDIES], ids=lambda path: path.stem)
@pytest.mark.parametrize("quick", [True, False])
def test_every_preset_and_study_has_all_kinds_of_settings(path, quick):
    study = read_study(path, quick=quick)
    assert {job.part for job in study.jobs} == {"coverage", "families", "power", "search", "labels"}
    assert len(set(study.jobs)) == len(study.jobs)


def test_lists_are_crossed_and_a_setting_is_read_as_written(tmp_path):
    study = read(tmp_path, HEAD + COVERAGE)
    assert study.jobs == (
        Job(Setting("classification", 10, 2, 0.1, "beta", 0.1), 100),
        Job(Setting("classification", 20, 2, 0.1, "beta", 0.1), 100),
    )


def test_quick_runs_proportionally_fewer_simulations(tmp_path):
    more = COVERAGE + "worlds = 1000\n"
    assert {job.worlds for job in read(tmp_path, HEAD + more, quick=True).jobs} == {200}


def test_a_family_has_a_setting_for_each_group(tmp_path):
    (job,) = read(tmp_path, HEAD + FAMILY + 'groups = ["a", "b"]\nmargin = 3\n').jobs
    assert [(g.subjects, g.rate) for g in job.spec.groups] == [(30, 0.1), (40, 0.2)]
    assert (job.spec.group_names, job.spec.used_margin, job.spec.metric) == (("a", "b"), 3.0, "fmr")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "not valid TOML"),
        (HEAD, "defines no simulated world"),
        (HEAD.replace("\nworlds", "\nwrlds") + COVERAGE, "key wrlds: unknown; did you mean worlds"),
        (HEAD + "colour = 1\n" + COVERAGE, "key colour: unknown; the keys of this table are title, worlds"),
        (
            HEAD.replace("100", '"many"') + COVERAGE,
            r"key worlds: give a whole number from 10 to 1,000,000 \(it is 'many'\)",
        ),
        (HEAD.replace("100", "true") + COVERAGE, r"key worlds: give a whole number .*\(it is True\)"),
        (
            HEAD + COVERAGE.replace("rates", "rate"),
            r"\[\[coverage\]\] 1, key rate: unknown; did you mean rates",
        ),
        (
            HEAD + COVERAGE.replace("rates = 0.1", "rates = [0.1, 1.5]"),
            r"key rates: give a number from 1e-06 to 0.9, or a list of these \(it is \[0.1, 1.5\]\)",
        ),
        (HEAD + COVERAGE.replace("rates = 0.1", "rates = nan"), r"key rates: give a number from .*\(it is nan\)"),
        (HEAD + COVERAGE.replace("rates = 0.1", "rates = []"), r"key rates: give a number from .*\(it is \[\]\)"),
        (
            HEAD + COVERAGE.replace("classification", "lottery"),
            r"key kind: Input should be 'impostor', 'across', .* \(it is 'lottery'\)",
        ),
        (
            HEAD + COVERAGE.replace("[10, 20]", "[10, 2.5]"),
            r"key subjects: give a whole number from 2 .*\(it is \[10, 2.5\]\)",
        ),
        (HEAD + COVERAGE.replace("classification", "impostor"), "key effect: give 'probit'"),
        (
            HEAD + COVERAGE.replace("classification", "genuine").replace("images = 2", "images = 1"),
            "key images: give a whole number from 2 to 20",
        ),
        (
            HEAD + COVERAGE.replace("[[coverage]]", "[coverage]"),
            r"key coverage: not a list of tables; write \[\[coverage\]\]",
        ),
        (HEAD + FAMILY.replace("[0.1, 0.2]", "[0.1]"), "key rates: give one rate per group"),
        (
            HEAD + FAMILY.replace("[30, 40]", "[30, 40, 50]"),
            "key subjects: give one number for all groups, or 2, one for each rate",
        ),
        (HEAD + FAMILY + 'groups = ["a", "a"]\n', "key groups: give 2 different names"),
        (HEAD + FAMILY + "margin = 0.5\n", "key margin: give a number from 1.01 to 100"),
        (HEAD + FAMILY.replace("name", "nme"), "did you mean name"),
        (
            HEAD + FAMILY.replace("[30, 40]", "20000").replace("images = 1", "images = 9"),
            "key subjects: give fewer, .*false matches a world",
        ),
        (HEAD + POWER.replace("[2.0]", "[9.6]"), "key gaps: give a gap that leaves the raised rate under 0.95"),
        (HEAD + POWER + "groups = 1\n", r"key groups: give a whole number from 2 to 40 \(it is 1\)"),
        (
            HEAD + SEARCH.replace("fpir = 0.1", "fpir = 0"),
            r"key fpir: give a number from 0.0001 to 0.5, or a list of these \(it is 0\)",
        ),
        (
            HEAD + LABELS.replace("[0, 0.1]", "0.7"),
            r"key flipped: give a number from 0 to 0.45, or a list of these \(it is 0.7\)",
        ),
        (
            HEAD + LABELS.replace("classification", "impostor"),
            r"key kind: Input should be 'genuine' or 'classification' \(it is 'impostor'\)",
        ),
        (
            HEAD + COVERAGE.replace("[10, 20]", str([2] * 1000)).replace("images = 2", f"images = {[2] * 1000}"),
            r"\[\[coverage\]\] 1: more than 2000 settings; shorten a list",
        ),
        ("# " + "x" * 20_000, "more than 16,384 bytes"),
    ],
)
def test_errors_name_the_file_and_the_key(tmp_path, text, said):
    with pytest.raises(TableError, match=said) as found:
        read(tmp_path, text)
    assert "worlds.toml" in str(found.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TableError, match=r"nowhere\.toml: cannot be read"):
        read_study(tmp_path / "nowhere.toml", quick=False)


@pytest.mark.parametrize("text", [COVERAGE, FAMILY, POWER, SEARCH, LABELS])
def test_a_row_comes_back_from_json_as_it_was(tmp_path, text):
    job = read(tmp_path, HEAD + text, quick=True).jobs[0]
    row = run_job(Job(job.spec, 10), 0)
    assert repr(row_from_plain(job.part, row_to_plain(row))) == repr(row)


def test_power_settings_have_two_groups_by_default(tmp_path):
    (job,) = read(tmp_path, HEAD + POWER).jobs
    assert isinstance(job.spec, PowerSetting)
    assert job.spec.groups == 2
