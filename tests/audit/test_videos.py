"""Audits of videos: clips of illustrated people, from files to errors by number of frames and alarms per hour."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import facegap as fg
from facegap.audit.first_frames import frame_counts
from facegap.audit.recount import comparisons_differing
from facegap.audit.run import recheck
from facegap.authenticity.again import sample_again
from facegap.authenticity.images import hashed_again
from facegap.catalogue.files import checked_files
from facegap.derive.alarms import seconds_of
from facegap.errors import RunError, TableError
from facegap.explore.pictures import Pictures
from facegap.inputs.manifests.read import read_manifest
from facegap.privacy.forget import forget
from facegap.report.figures import figures_in
from facegap.report.summary import all_tables
from facegap.scenarios.tables import scenario_tables
from facegap.store.run import Run, read_run
from facegap.vision import pipeline
from fixtures.clips import clips_of_people
from fixtures.settings import asked

PEOPLE, DRAWINGS = 6, 3
MODELS = {"detect": "demo_detector", "embed": "demo_embedder_skewed"}
THRESHOLD = 0.68


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of each of six illustrated people, and a file that is not a video; not to be changed."""
    folder = tmp_path_factory.mktemp("clips")
    manifest = clips_of_people(folder, PEOPLE, drawings=DRAWINGS)
    (folder / "list.mp4").write_text("#EXTM3U\nhttp://127.0.0.1/a.ts\n")
    manifest.write_text(manifest.read_text() + "list.mp4,p0,male\n")
    return folder


def audited(clips: Path, **words: Any) -> Run:
    words = {
        **MODELS,
        "by": "gender",
        "threshold": [THRESHOLD],
        "allow_missing": True,
        "min_subjects": 2,
        "no_isolation": True,
        **words,
    }
    return fg.audit(clips / "people.csv", **asked(**words)).stored


@pytest.fixture(scope="module")
def written(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their audit, with searches; not to be changed."""
    folder = tmp_path_factory.mktemp("written") / "run"
    audited(clips, identify={"non_mates": 0.5, "rank": (1,)}, out=folder)
    return folder


@pytest.fixture(scope="module")
def run(written: Path) -> Run:
    return read_run(written)


def test_each_video_is_a_template_with_one_outcome_and_counts_of_its_frames(run: Run) -> None:
    assert run.pooled is not None
    assert run.pooled.frames is not None
    table = run.pooled.templates.set_index("template")
    assert run.by_image[1]["outcome"].value_counts().to_dict() == {"ok": 11, "no_face": 1, "unreadable": 1}
    assert table.loc["0-0.avi", ["frames_given", "frames_used", "media_given"]].tolist() == [3, 3, 1]
    assert table.loc["2-0.avi", ["outcome", "frames_given", "frames_used"]].tolist() == ["ok", 3, 2]
    assert table.loc["2-0.avi", "detail"] == "2 of 3 frames used; 1 no_face"
    assert table.loc["1-1.mp4", ["outcome", "frames_used"]].tolist() == ["no_face", 0]
    assert table.loc["list.mp4", "outcome"] == "unreadable"
    assert run.pooled.frames["time_s"].tolist() == [0.0, 0.5, 1.0] * 2 * PEOPLE
    fta = run.rates[(run.rates["metric"] == "fta") & (run.rates["gender"] == "any")].iloc[0]
    assert (fta["errors"], fta["trials"]) == (1, 2 * PEOPLE)  # a file that was never processed is in no rate


def test_the_run_is_derived_again_from_its_files_and_its_videos(
    written: Path, run: Run, clips: Path, tmp_path: Path
) -> None:
    assert recheck(written) == []
    assert comparisons_differing(run) == []
    assert hashed_again(run, clips).same == 2 * PEOPLE + 1
    folder = Path(__file__).parents[2] / "models" / "demo"
    assert sample_again(run, clips, [folder], 4, np.random.default_rng(1)).differing == ()
    changed = Path(shutil.copytree(clips, tmp_path / "clips"))
    shutil.copy(clips / "0-1.mp4", changed / "3-1.mp4")
    assert len(hashed_again(run, changed).differing) == 1


def test_errors_with_the_first_frames_are_those_of_an_audit_that_took_no_more(run: Run, clips: Path) -> None:
    count = 2
    fewer = audited(clips, max_frames=count)
    table = run.extra["frames.csv"]
    for metric in ("fta", "fnmr"):
        same = ["gender", "errors", "trials", "subjects", "value", "low", "high"]
        here = table[(table["frames"] == count) & (table["metric"] == metric)][same].reset_index(drop=True)
        own = fewer.rates[(fewer.rates["metric"] == metric) & (fewer.rates["other_gender"] == "")]
        pd.testing.assert_frame_equal(here, own[same].reset_index(drop=True))


def test_with_all_frames_the_errors_are_those_of_the_run(run: Run) -> None:
    table = run.extra["frames.csv"]
    last = table[table["frames"] == DRAWINGS]
    for metric in ("fta", "fnmr", "fnir", "fpir"):
        own = run.rates[(run.rates["metric"] == metric) & (run.rates.get("other_gender", "") == "")]
        keys = ["threshold_from", "gender", "errors", "trials"]
        assert last[last["metric"] == metric][keys].to_numpy().tolist() == own[keys].to_numpy().tolist(), metric


def test_numbers_of_frames_double_up_to_the_most() -> None:
    assert [frame_counts(most) for most in (1, 2, 3, 8, 30)] == [
        [1],
        [1, 2],
        [1, 2, 3],
        [1, 2, 4, 8],
        [1, 2, 4, 8, 16, 30],
    ]


def test_alarms_per_hour_are_false_positives_over_the_time_of_the_clips(run: Run) -> None:
    assert run.pooled is not None
    assert run.searched is not None
    seconds = seconds_of(run.pooled, 2.0)
    assert seconds.tolist() == [1.5] * 2 * PEOPLE + [0.0]  # the last frame also represents half a second
    alarms = run.extra["alarms.csv"]
    fpir = run.rates[(run.rates["metric"] == "fpir")]
    for gender in ("any", "female", "male"):
        row, rate = (table[table["gender"] == gender].iloc[0] for table in (alarms, fpir))
        assert (row["alarms"], row["searches"]) == (rate["errors"], rate["trials"])
        assert row["person_hours"] == pytest.approx(rate["trials"] * 1.5 / 3600)
        if rate["trials"]:
            assert row["value"] == pytest.approx(rate["errors"] / (rate["trials"] * 1.5 / 3600))
            assert row["high"] == pytest.approx(rate["high"] * 3600 / 1.5, nan_ok=True)
        else:
            assert np.isnan([row["value"], row["low"], row["high"]]).all()
    assert alarms["searches"].max() > 0


def test_reports_and_the_watchlist_tell_of_frames_and_alarms(run: Run, written: Path) -> None:
    titles = [table.title for table in all_tables(run, view=None, include_ids=False)]
    assert {
        "all subjects: errors by number of frames",
        "gender: errors by number of frames",
        "alarms per person-hour",
    } <= set(titles)
    assert [figure.name for figure in figures_in(run, "frames")] == ["frames-everybody", "frames-gender"]
    tables, _ = scenario_tables("watchlist", written, by="gender")
    assert tables[-1].title == "alarms per person-hour"
    assert [row[0] for row in tables[-1].rows] == ["all", "female", "male"]


def test_a_person_is_forgotten_with_clips_and_frames(written: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(written, tmp_path / "run"))
    assert forget(folder, "p3") == 2
    left = read_run(folder)
    assert left.pooled is not None
    assert left.pooled.frames is not None
    assert len(left.pooled.frames) == DRAWINGS * 2 * (PEOPLE - 1)
    assert recheck(folder) == []
    assert set(left.extra["frames.csv"]["metric"]) == {"fta", "fnmr"}  # searches with first frames cannot be repeated


def test_a_broken_off_run_goes_on_and_notices_another_video(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done >= 5:
            raise StopError

    monkeypatch.setattr(pipeline, "PART_ROWS", 2)
    mine = Path(shutil.copytree(clips, tmp_path / "clips"))
    lines = (clips / "people.csv").read_text().splitlines()
    (mine / "people.csv").write_text("\n".join(lines[:9]) + "\n")
    settings = {"max_frames": 1, "workers": 1, "out": tmp_path / "run"}
    with pytest.raises(StopError):
        audited(mine, **settings, progress=stop)
    shutil.copy(clips / "1-0.avi", mine / "0-0.avi")
    with pytest.raises(RunError, match=r"1 images differ from the files .*line 2: '0-0.avi'"):
        audited(mine, **settings, resume=True)
    shutil.copy(clips / "0-0.avi", mine / "0-0.avi")
    assert len(audited(mine, **settings, resume=True).faces) == 8


def test_only_an_embedder_takes_videos(clips: Path) -> None:
    with pytest.raises(
        TableError, match=r"people.csv line 2, column image: '0-0.avi' is a video, and only --embed accepts videos"
    ):
        fg.audit(clips / "people.csv", detect="demo_detector", classify="demo_gender_skewed")


def test_points_of_a_file_are_of_images_and_of_no_frame(clips: Path, tmp_path: Path) -> None:
    head = ",".join(f"{axis}{k}" for k in range(1, 6) for axis in "xy")
    (tmp_path / "points.csv").write_text(f"image,{head}\n0-0.avi,{','.join(['50'] * 10)}\n")
    with pytest.raises(TableError, match=r"line 2, column image: '0-0.avi' is a video, and --points gives the face"):
        fg.audit(clips / "people.csv", **asked(embed="demo_embedder_skewed", points=tmp_path / "points.csv"))


def test_check_opens_every_video(clips: Path) -> None:
    found = checked_files(read_manifest(clips / "people.csv"), [()], include_ids=False)
    assert (found.count("ok"), found.count("unreadable")) == (2 * PEOPLE, 1)


def test_a_page_shows_the_frame_that_stands_for_a_video(run: Run, clips: Path) -> None:
    pictures = Pictures(run, clips, b"secret")
    found = [pictures.jpeg(pictures.number(row)) for row in (0, 3, len(run.manifest) - 1)]
    assert found[0] is not None and found[0][:2] == b"\xff\xd8"
    assert found[1] is not None  # no face was found: the whole frame
    assert found[2] is None  # no video
