"""Merged shards give the files of a single process; what does not belong together is rejected by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facegap.audit.merge import merge
from facegap.audit.run import audit, recheck
from facegap.audit.settings import AuditSettings, CallableModel, Output, settings_from
from facegap.audit.shards import ShardDone, audit_shard, parse_shard
from facegap.errors import RunError, SettingError, TableError
from facegap.store import run as store
from facegap.store.finished import read_finished
from facegap.store.record import Shard
from facegap.vision import pipeline
from fixtures.interrupted import tables
from fixtures.settings import audited

PEOPLE = 26  # in seven parts of four: shards of four, four, four and 14 % 4 images
SHARDS = 4


@pytest.fixture(autouse=True, scope="module")
def small_parts() -> Iterator[None]:
    """Parts of four images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "PART_ROWS", 4)
        yield


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> Path:
    """A manifest of illustrated people with their images, and one of others for setting thresholds; not to be changed."""
    folder = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(1)
    for name, count in (("people", PEOPLE), ("others", 18)):
        for k in range(count):
            green, red = rng.integers(20, 200, 2)
            cv2.imwrite(str(folder / f"{name}{k}.png"), draw(green=int(green), red=int(red), quadrants=[0][: k % 7]))
        lines = [f"{name}{k}.png,{name} {k // 2},{'mf'[k // 2 % 2]}" for k in range(count)]
        (folder / f"{name}.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    return folder / "people.csv"


@pytest.fixture
def people(drawn: Path, tmp_path: Path) -> Path:
    """A copy of the manifest and its images."""
    return Path(shutil.copytree(drawn.parent, tmp_path / "images")) / "people.csv"


@pytest.fixture
def words(people: Path, toys: Any) -> dict[str, Any]:
    """The settings of an audit of all three models with a separate threshold set, as keywords."""
    return words_of(people, toys)


def words_of(people: Path, toys: Any) -> dict[str, Any]:
    return {
        **{name: value for name, value in toys.three.items() if name != "threshold"},
        "by": "gender",
        "fmr": [0.1],
        "threshold_on": people.parent / "others.csv",
        "no_isolation": True,
        "many_faces": "refuse",
        "data_name": "Drawn",
    }


def run_shard(manifest: Path, words: dict[str, Any], k: int, folder: Path, of: int = SHARDS) -> ShardDone:
    return audit_shard(manifest, settings_from({**words, "folder": folder}), Shard(k, of))


@pytest.fixture(scope="module")
def four(drawn: Path, toys: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folders of four shards; not to be changed."""
    folders = [tmp_path_factory.mktemp("four") / f"shard{k}" for k in range(1, SHARDS + 1)]
    for k, folder in enumerate(folders, start=1):
        run_shard(drawn, words_of(drawn, toys), k, folder)
    return folders


@pytest.fixture
def shards(four: list[Path], tmp_path: Path) -> list[Path]:
    """A copy of the four shards."""
    return [Path(shutil.copytree(folder, tmp_path / folder.name)) for folder in four]


def merged(folders: list[Path], out: Path, **words: Any) -> Any:
    return merge(folders, Output(out, **words))


def test_four_shards_in_any_order_give_the_files_of_one_process(
    people: Path, words: dict[str, Any], shards: list[Path], tmp_path: Path
) -> None:
    audit(people, settings_from({**words, "folder": tmp_path / "one"}))
    shutil.rmtree(people.parent)  # nothing in it is opened again
    merged(shards[::-1], tmp_path / "merged")
    one, other = (tables(tmp_path / name, frozenset({"run.json"})) for name in ("one", "merged"))
    assert {
        "rates.csv",
        "gaps.csv",
        "faces.parquet",
        "counts.npz",
        "embeddings.npy",
        "threshold_set/faces.parquet",
    } <= set(one)
    assert set(one) == set(other)
    assert [name for name in one if one[name] != other[name]] == []
    assert recheck(tmp_path / "merged") == []
    records = [json.loads((tmp_path / name / "run.json").read_bytes()) for name in ("one", "merged")]
    assert ["merged from 4 shards" in record["execution"]["notes"] for record in records] == [False, True]
    for record in records:
        record["execution"]["notes"], record["timing"], record["execution"]["workers"] = [], 0, 0
    assert records[0] == records[1]


def test_a_shard_has_whole_parts_and_each_row_is_in_one_of_them(shards: list[Path]) -> None:
    parts = [sorted(store.committed_parts(folder, embedded=True)) for folder in shards]
    assert parts == [[0, 4], [1, 5], [2, 6], [3]]
    rows = [store.read_part(folder, k)["row"].tolist() for folder, own in zip(shards, parts, strict=True) for k in own]
    assert sorted(row for part in rows for row in part) == list(range(PEOPLE))


def test_a_shard_needs_no_images_but_its_own(people: Path, words: dict[str, Any], tmp_path: Path) -> None:
    for k in range(4, 8):
        (people.parent / f"people{k}.png").unlink()
    words.pop("threshold_on")
    words = {**words, "in_sample": True, "min_subjects": 2}
    done = run_shard(people, words, 1, tmp_path / "one", of=2)
    assert (done.images, done.of_images) == (14, PEOPLE)
    with pytest.raises(TableError, match="files are missing"):
        run_shard(people, words, 2, tmp_path / "two", of=2)


def test_a_shard_that_was_broken_off_goes_on_and_one_more_start_changes_nothing(
    people: Path, words: dict[str, Any], shards: list[Path]
) -> None:
    before = tables(shards[0])
    (shards[0] / "parts" / "000004.sha256").unlink()
    (shards[0] / "inputs" / "manifest" / "people.csv").unlink()
    run_shard(people, {**words, "resume": True}, 1, shards[0])
    again = tables(shards[0])
    assert set(again) == set(before)
    timed = {name for name in before if again[name] != before[name]}
    assert timed <= {"parts/000004.parquet", "parts/000004.sha256", "run.json"}


@pytest.mark.parametrize("read", [read_finished, store.read_run, store.broken_hashes, recheck])
def test_a_shard_is_no_run_and_says_what_to_do(read: Callable[..., Any], shards: list[Path]) -> None:
    with pytest.raises(RunError, match=r"shard 2/4 of an audit.* facegap merge RUN\.\.\. --out DIR"):
        read(shards[1])


def test_a_shard_is_not_resumed_as_a_run_nor_a_run_as_a_shard(
    people: Path, words: dict[str, Any], shards: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="continue it with --shard 1/4 --resume"):
        audit(people, settings_from({**words, "folder": shards[0], "resume": True}))
    with pytest.raises(RunError, match="shard 1/4, not 2/4"):
        run_shard(people, {**words, "resume": True}, 2, shards[0])
    audit(people, settings_from({**words, "folder": tmp_path / "run"}))
    with pytest.raises(RunError, match="a complete run, not a shard"):
        run_shard(people, {**words, "resume": True}, 1, tmp_path / "run")
    with pytest.raises(RunError, match="a complete run, not a shard"):
        merged([*shards[:3], tmp_path / "run"], tmp_path / "merged")


# ---- what does not belong together ----


def test_shards_that_are_missing_or_doubled_are_named(
    people: Path, words: dict[str, Any], shards: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"shards 2/4, 4/4 are missing"):
        merged([shards[0], shards[2]], tmp_path / "m")
    with pytest.raises(RunError, match=r"again and \S+/shard3 overlap: both are shard 3/4"):
        merged([*shards, Path(shutil.copytree(shards[2], tmp_path / "again"))], tmp_path / "m")
    run_shard(people, words, 2, tmp_path / "half", of=2)
    with pytest.raises(RunError, match=r"half: shard 2/2, and \S+shard1 is shard 1/4"):
        merged([*shards, tmp_path / "half"], tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"min_face": 20}, "settings.faces.min_face"),
        ({"by": None}, "settings.by"),
        ({"classify": None}, "cards.classify"),
    ],
)
def test_shards_of_other_settings_or_models_are_refused_by_key(
    other: dict[str, Any], named: str, people: Path, words: dict[str, Any], shards: list[Path], tmp_path: Path
) -> None:
    shutil.rmtree(shards[1])
    run_shard(people, {**words, **other}, 2, shards[1])
    with pytest.raises(RunError, match=rf"shard2: differs from \S+shard1 in .*{named}"):
        merged(shards, tmp_path / "m")


def test_shards_of_another_manifest_are_refused(
    people: Path, words: dict[str, Any], shards: list[Path], tmp_path: Path
) -> None:
    people.write_text(people.read_text().replace("people0.png,people 0,m", "people0.png,people 0,f"))
    shutil.rmtree(shards[3])
    run_shard(people, words, 4, shards[3])
    with pytest.raises(RunError, match=r"shard4: differs from \S+shard1 in manifest_sha256"):
        merged(shards, tmp_path / "m")


def edited(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """The record of a shard with a change to it."""
    record = json.loads((folder / "run.json").read_text())
    change(record)
    (folder / "run.json").write_text(json.dumps(record))


def test_shards_of_another_processor_are_refused_unless_that_is_accepted_and_recorded(
    shards: list[Path], tmp_path: Path
) -> None:
    edited(shards[1], lambda record: record["models"]["execution"].update(device_name="Other 9000, 64 cores"))
    with pytest.raises(RunError, match=r"shard2 ran on Other 9000 and .* --mixed-workers"):
        merged(shards, tmp_path / "m")
    run = merge(shards, Output(tmp_path / "m"), mixed_workers=True)
    assert any("2 types of processors" in said and "Other 9000" in said for said in run.record.warnings)


def test_shards_of_another_version_of_a_model_file_are_refused(shards: list[Path], tmp_path: Path) -> None:
    edited(shards[2], lambda record: record["request"]["cards"]["embed"].update(sha256="0" * 64))
    with pytest.raises(RunError, match=r"shard3: differs from \S+shard1 in cards.embed.sha256"):
        merged(shards, tmp_path / "m")


# ---- folders from other people ----


def damage(folder: Path, how: str) -> None:
    """Turn a shard into something that is not a shard."""
    parts = folder / "parts"
    if how == "cut":
        (parts / "000001.npy").write_bytes((parts / "000001.npy").read_bytes()[:-8])
    elif how == "gone":
        (parts / "000001.sha256").unlink()
    elif how == "of another shard":
        for suffix in ("npy", "parquet", "sha256"):
            shutil.copy(parts / f"000001.{suffix}", parts / f"000002.{suffix}")
        hashes = (parts / "000002.sha256").read_text().replace("000001", "000002")
        (parts / "000002.sha256").write_text(hashes)
    elif how == "other rows":
        rows = store.read_part(folder, 1)
        vectors = np.load(parts / "000001.npy")
        store.write_part(folder, 1, rows.assign(image=rows["image"][::-1].tolist()), vectors)
    elif how == "other templates":
        store.write_part(folder, 1, store.read_part(folder, 1), np.ones((4, 3), np.float32))
    elif how == "other columns":
        store.write_part(folder, 1, store.read_part(folder, 1).drop(columns="outcome"), np.load(parts / "000001.npy"))
    else:
        assert how == "a link", how
        (parts / "000001.npy").unlink()
        (parts / "000001.npy").symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("cut", r"shard2: parts 1 are missing or were changed after they were written; finish the shard with --resume"),
        (
            "gone",
            r"shard2: parts 1 are missing or were changed after they were written; finish the shard with --resume",
        ),
        ("of another shard", r"shard2: contains parts of other shards \(2\)"),
        ("other rows", r"part 1 does not contain the rows of the manifest"),
        ("other templates", r"has templates of a different dimension; choose"),
        ("other columns", r"are inconsistent"),
        ("a link", r"000001.npy: a link, pipe or device"),
    ],
)
def test_parts_that_are_not_as_they_were_written_are_refused(
    how: str, said: str, shards: list[Path], tmp_path: Path
) -> None:
    damage(shards[1], how)
    with pytest.raises(RunError, match=said):
        merged(shards, tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record["files"].update({"../parts": "x"}), "neither a setting nor a file name"),
        (lambda record: record["files"].update({"manifest": "../../run.json"}), "neither a setting nor a file name"),
        (lambda record: record["files"].pop("manifest"), "contains no manifest"),
        (
            lambda record: record["files"].pop("threshold_on"),
            "threshold_on names the file 'others.csv', which was not kept",
        ),
        (
            lambda record: record["files"].update({"tone": "gone.csv"}),
            r"inputs/tone/gone\.csv: missing; continue that shard with --resume, which writes it again",
        ),
        (lambda record: record["request"]["settings"]["groups"].update({"level": "high"}), "are inconsistent|level"),
        (lambda record: record["request"]["settings"]["faces"].update({"min_face": -1}), "min-face"),
        (lambda record: record["request"]["cards"]["embed"].update({"alignment": 3}), "the card of embed"),
        (
            lambda record: record["request"].update({"versions": {"facegap": "0.0.0", "numpy": "0"}}),
            "written with facegap 0.0.0",
        ),
        (lambda record: record["request"].update({"part_rows": 5}), "its parts have 5 rows"),
        (lambda record: record["shard"].update({"number": 5}), "5 of 4 shards"),
        (lambda record: record["shard"].update({"of": 10**9}), "must be from 1"),
        (
            lambda record: record["request"].update({"manifest_sha256": "0" * 64}),
            "the files in it do not match its record, which differs in",
        ),
    ],
)
def test_records_that_no_shard_has_are_refused(change: Any, said: str, shards: list[Path], tmp_path: Path) -> None:
    for folder in shards:
        edited(folder, change)
    with pytest.raises(RunError, match=said):
        merged(shards, tmp_path / "m")


def test_more_unreadable_images_than_a_few_stop_the_merge_as_they_stop_one_process(
    people: Path, words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("facegap.audit.files"), "MOST_UNREADABLE", 1.5 / PEOPLE)
    for k in (3, 5):
        (people.parent / f"people{k}.png").write_bytes(b"no image")
    words = {**words, "in_sample": True, "threshold_on": None}
    for k in (1, 2):
        run_shard(people, words, k, tmp_path / f"s{k}", of=2)
    with pytest.raises(TableError, match="2 of 26 images could not be passed"):
        merged([tmp_path / "s1", tmp_path / "s2"], tmp_path / "m")


def test_a_merge_that_was_broken_off_goes_on(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged(shards, tmp_path / "whole")

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(import_module("facegap.audit.merge"), "evidence_of", killed)
        with pytest.raises(KeyboardInterrupt):
            merged(shards, tmp_path / "m")
    with pytest.raises(RunError, match="not empty"):
        merged(shards, tmp_path / "m")
    merged(shards, tmp_path / "m", resume=True)
    once = tables(tmp_path / "m")
    assert once == tables(tmp_path / "whole")
    merged(shards, tmp_path / "m", resume=True)
    assert tables(tmp_path / "m") == once


# ---- what a shard cannot be ----


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "3", "1/2/3", "a/b", "-1/4", "1/9999999", "１/4"])
def test_what_is_no_shard_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SettingError, match=r"such as 3/16"):
        parse_shard(text)


def test_a_function_or_a_service_has_no_shards(people: Path, tmp_path: Path) -> None:
    service = settings_from({"verify_service": "x", "pairs": people, "folder": tmp_path / "a"})
    with pytest.raises(SettingError, match="--verify-service"):
        audit_shard(people, service, Shard(1, 2))
    answers = CallableModel(len, "classify", size=(16, 16), classes=("male", "female"))
    function = settings_from({"classify": answers, "folder": tmp_path / "a"})
    with pytest.raises(SettingError, match="is a Python function"):
        audit_shard(people, function, Shard(1, 2))
    with pytest.raises(SettingError, match="give one with --out"):
        audit_shard(people, AuditSettings(classify="demo_gender_skewed"), Shard(1, 2))


def test_points_and_a_plan_travel_with_the_shards(people: Path, toys: Any, tmp_path: Path) -> None:
    run = audited(people, **toys.two, by="gender", no_isolation=True)
    stored = [name for name in run.faces.columns if name.endswith(("_x", "_y"))] + ["x1", "y1", "x2", "y2"]
    points = run.faces.loc[run.faces["outcome"] == "ok", ["image", *stored]]
    points.to_csv(tmp_path / "points.csv", index=False)
    plan = tmp_path / "plan.toml"
    plan.write_text('version = 1\nby = ["gender"]\n[primary]\nby = ["gender"]\nmetrics = ["error_rate_all"]\n')
    chosen = {
        "classify": toys.card("classifier"),
        "points": tmp_path / "points.csv",
        "plan": plan,
        "no_isolation": True,
    }
    audit(people, settings_from({**chosen, "folder": tmp_path / "one"}))
    for k in (1, 2):
        run_shard(people, chosen, k, tmp_path / f"s{k}", of=2)
    for given in (plan, tmp_path / "points.csv"):
        given.unlink()
    merged([tmp_path / "s1", tmp_path / "s2"], tmp_path / "m")
    one, other = (tables(tmp_path / name, frozenset({"run.json"})) for name in ("one", "m"))
    assert one == other
    record = store.read_record(tmp_path / "m")
    assert (record.plan and record.plan.file, record.models["detect"]) == ("plan.toml", "points")
