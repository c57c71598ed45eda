"""`facegap selfcheck`: a seed gives the same result with any number of workers and after an interruption."""

from __future__ import annotations

import html
import json
import stat

import pytest

from facegap.errors import RunError, TableError
from facegap.selfcheck import run as command
from facegap.selfcheck.run import DONE_PART, PAGE, RESULT, mixed, selfcheck
from facegap.selfcheck.study import Job
from facegap.worlds.people import Setting

WORLDS = """
title = "three small settings"
worlds = 40
[[coverage]]
kind = "classification"
subjects = [10, 20]
images = 2
rates = 0.2
[[families]]
name = "<script>alert(1)</script>"
kind = "impostor"
groups = ["<img src=x onerror=alert(2)>", "b"]
rates = [0.1, 0.1]
subjects = 12
images = 1
"""


@pytest.fixture
def worlds(tmp_path):
    path = tmp_path / "worlds.toml"
    path.write_text(WORLDS, encoding="utf-8")
    return path


def test_the_numbers_are_the_same_for_any_number_of_workers(worlds, tmp_path):
    seen = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        selfcheck(worlds, out=out, seed=3, workers=workers)
        seen.append(((out / RESULT).read_bytes(), (out / PAGE).read_bytes()))
    assert seen[0] == seen[1]


def test_another_seed_gives_other_numbers(worlds, tmp_path):
    rows = [selfcheck(worlds, out=tmp_path / str(seed), seed=seed, workers=1).rows for seed in (0, 1)]
    assert rows[0] != rows[1]


def test_the_json_holds_settings_seed_and_claims(worlds, tmp_path):
    selfcheck(worlds, out=tmp_path / "out", seed=3, workers=1)
    found = json.loads((tmp_path / "out" / RESULT).read_text(encoding="utf-8"))
    assert (found["seed"], found["source"], len(found["coverage"]), len(found["families"])) == (3, "worlds.toml", 2, 1)
    assert {claim["state"] for claim in found["claims"]} <= {
        "holds",
        "does not hold",
        "too few worlds to tell",
        "reported",
    }
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "out" / RESULT).stat().st_mode) == 0o600


def test_an_interrupted_study_resumes_and_ends_in_the_same_bytes(worlds, tmp_path, monkeypatch):
    selfcheck(worlds, out=tmp_path / "whole", workers=1)
    run_job, done = command.run_job, []

    def broken(job, seed):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(job)
        return run_job(job, seed)

    monkeypatch.setattr(command, "run_job", broken)
    with pytest.raises(KeyboardInterrupt):
        selfcheck(worlds, out=tmp_path / "out", workers=1)
    with (tmp_path / "out" / DONE_PART).open("a") as file:
        file.write('{"job": 1, "ro')  # killed in the middle of a line
    monkeypatch.setattr(command, "run_job", run_job)
    with pytest.raises(RunError, match="continue with --resume"):
        selfcheck(worlds, out=tmp_path / "out", workers=1)
    steps = []
    selfcheck(worlds, out=tmp_path / "out", workers=1, resume=True, progress=lambda k, n: steps.append(k))
    assert steps == [2, 3]
    assert (tmp_path / "out" / RESULT).read_bytes() == (tmp_path / "whole" / RESULT).read_bytes()
    assert not (tmp_path / "out" / DONE_PART).exists()


def test_a_study_killed_while_writing_its_page_resumes_and_a_finished_one_is_rejected(worlds, tmp_path, monkeypatch):
    selfcheck(worlds, out=tmp_path / "whole", workers=1)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(command, "selfcheck_page", killed)
        with pytest.raises(KeyboardInterrupt):
            selfcheck(worlds, out=tmp_path / "out", workers=1)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {RESULT, DONE_PART}
    selfcheck(worlds, out=tmp_path / "out", workers=1, resume=True)
    assert (tmp_path / "out" / RESULT).read_bytes() == (tmp_path / "whole" / RESULT).read_bytes()
    with pytest.raises(RunError, match="is finished"):
        selfcheck(worlds, out=tmp_path / "out", workers=1, resume=True)


@pytest.mark.parametrize("line", ['{"job": 99, "row": {}}', '{"job": 0, "row": {"kind": 1}}', "[1]", "no json"])
def test_an_invalid_file_of_partial_results_is_rejected(worlds, tmp_path, line):
    out = tmp_path / "out"
    out.mkdir()
    (out / DONE_PART).write_text(f'{{"seed": 0}}\n{line}\n', encoding="utf-8")
    with pytest.raises(RunError, match="not an interrupted self-check"):
        selfcheck(worlds, out=out, resume=True)


def test_partial_results_of_another_seed_are_not_used(worlds, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / DONE_PART).write_text('{"seed": 0}\n', encoding="utf-8")
    with pytest.raises(RunError, match="different worlds, a different seed"):
        selfcheck(worlds, out=out, resume=True)


def test_a_folder_with_other_content_is_not_changed(worlds, tmp_path):
    with pytest.raises(RunError, match="not empty"):
        selfcheck(worlds, out=tmp_path)


def test_an_error_in_the_worlds_leaves_no_folder(tmp_path):
    (tmp_path / "worlds.toml").write_text("title = 1\n")
    with pytest.raises(TableError, match=r"worlds\.toml"):
        selfcheck(tmp_path / "worlds.toml", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names_of_families_and_groups_are_text_on_the_page(worlds, tmp_path):
    selfcheck(worlds, out=tmp_path / "out", workers=1)
    page = (tmp_path / "out" / PAGE).read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("<img") == page.count('<img src="data:image/svg+xml;base64,')  # only the charts
    assert "&lt;script&gt;alert(1)" in page
    assert "default-src 'none'" in html.unescape(page)


def test_long_and_short_jobs_take_turns():
    jobs = [Job(Setting("classification", people, 1, 0.1, "probit", 0.0), 100) for people in (2, 20, 200, 2000, 4000)]
    assert mixed(range(5), jobs) == [4, 0, 3, 1, 2]
