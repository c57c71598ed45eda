"""Resumed runs: damaged parts are computed again, replaced images are an error, an incomplete report is made again."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import pandas as pd
import pytest

from facegap.audit.run import recheck
from facegap.audit.settings import Verify
from facegap.errors import FacegapError, RunError
from facegap.report.page import add_report
from facegap.store import run as store
from facegap.vision import pipeline
from fixtures.campaigns import short_and_full
from fixtures.settings import audit_embeddings, audit_predictions, audit_scores, audited

IMAGES = 12
GIVEN = Verify(threshold=(0.5,))
TIMED = {"run.json", "report.html", "SHA256SUMS", ".lock"}


@pytest.fixture
def manifest(tmp_path: Path, draw: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve illustrated people in three parts; the last file is damaged."""
    monkeypatch.setattr(pipeline, "PART_ROWS", 4)
    return drawn(tmp_path / "images", draw)


def drawn(folder: Path, draw: Any) -> Path:
    folder.mkdir()
    for k in range(IMAGES):
        cv2.imwrite(str(folder / f"{k}.png"), draw(green=20 * k, red=20 * k, quadrants=[0]))
    (folder / "11.png").write_bytes(b"no picture")
    lines = [f"{k}.png,person {k // 2},{'mf'[k // 2 % 2]}" for k in range(IMAGES)]
    (folder / "people.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    return folder / "people.csv"


def tables(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in TIMED
    }


@pytest.fixture
def broken_off(manifest: Path, toys: Any, tmp_path: Path) -> Callable[..., Any]:
    """A run with its three parts but without its end, next to a complete one; a call resumes the first."""
    return broken(manifest, toys, tmp_path)


def broken(manifest: Path, toys: Any, folder: Path) -> Callable[..., Any]:
    audited(manifest, **toys.two, by="gender", out=folder / "whole")

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("facegap.audit.evidence"), "gathered", killed)
        with pytest.raises(KeyboardInterrupt):
            audited(manifest, **toys.two, by="gender", out=folder / "run")
    return lambda: audited(manifest, **toys.two, by="gender", out=folder / "run", resume=True)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory, toys: Any, draw: Any) -> Path:
    """Images, an interrupted run and a complete one, as in `broken_off`; not to be changed."""
    folder = tmp_path_factory.mktemp("pieces")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "PART_ROWS", 4)
        broken(drawn(folder / "images", draw), toys, folder)
    return folder


@pytest.fixture
def broken_parts(pieces: Path, toys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A copy of the interrupted run, whose images are unchanged; a call resumes it."""
    monkeypatch.setattr(pipeline, "PART_ROWS", 4)
    shutil.copytree(pieces / "run", tmp_path / "run")
    manifest = pieces / "images" / "people.csv"
    return lambda: audited(manifest, **toys.two, by="gender", out=tmp_path / "run", resume=True)


def test_the_sha256_of_every_image_that_was_read_stands_in_the_faces(manifest: Path, toys: Any) -> None:
    run = audited(manifest, **toys.two, by="gender")
    said = [hashlib.sha256((manifest.parent / f"{k}.png").read_bytes()).hexdigest() for k in range(IMAGES)]
    assert run.faces["sha256"].tolist() == said
    assert run.faces["outcome"].tolist()[-1] == "unreadable"
    assert "stamp" not in run.faces.columns  # times of files are not a result


@pytest.mark.parametrize("suffix", ["parquet", "sha256"])
@pytest.mark.parametrize("damage", ["cut", "edited", "gone", "of another part", "a folder", "rows of another manifest"])
def test_a_damaged_part_is_computed_again(
    broken_parts: Any, pieces: Path, tmp_path: Path, suffix: str, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    path = folder / "parts" / f"000001.{suffix}"
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "edited":
        path.write_bytes(data.replace(b"male", b"MALE").replace(b"0", b"1"))
    elif damage == "gone":
        path.unlink()
    elif damage == "a folder":
        path.unlink()
        path.mkdir()
        if suffix == "parquet":
            path.rmdir()
    elif damage == "of another part":
        path.write_bytes((folder / "parts" / f"000000.{suffix}").read_bytes())
    else:  # complete with valid hashes, but of other rows
        rows = store.read_part(folder, 0)
        store.write_part(folder, 1, rows.assign(row=rows["row"] + 400), None)
    if damage == "a folder" and suffix == "sha256":
        with pytest.raises(RunError):  # it cannot be written over
            broken_parts()
        return
    computed: list[int] = []
    real = pipeline.run_part
    monkeypatch.setattr(pipeline, "run_part", lambda rows, *rest: computed.append(len(rows)) or real(rows, *rest))
    broken_parts()
    assert computed == [4]
    assert tables(folder) == tables(pieces / "whole")
    assert recheck(folder) == []


def test_images_that_were_exchanged_meanwhile_stop_the_run_and_are_named(
    broken_off: Any, manifest: Path, tmp_path: Path
) -> None:
    first, second = (manifest.parent / f"{k}.png" for k in (3, 5))
    before, times = first.read_bytes(), first.stat()
    first.write_bytes(second.read_bytes())
    os.utime(first, ns=(times.st_atime_ns, times.st_mtime_ns))  # as careful tampering would
    with pytest.raises(RunError) as error:
        broken_off()
    assert "people.csv: 1 images differ from the files that this run has read (line 5: '3.png')" in str(error.value)
    first.write_bytes(before)  # restored: another time, the same bytes
    broken_off()
    assert tables(tmp_path / "run") == tables(tmp_path / "whole")


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(b"x"), "link"])
def test_an_image_that_vanished_or_became_a_link_is_another_file(broken_off: Any, manifest: Path, change: Any) -> None:
    path = manifest.parent / "7.png"
    if change == "link":
        path.rename(path.with_name("kept.png"))
        path.with_name("elsewhere.png").write_bytes(path.with_name("6.png").read_bytes())
        path.symlink_to(path.with_name("elsewhere.png"))
    else:
        change(path)
    with pytest.raises(RunError, match=r"line 9: '7\.png'"):
        broken_off()


def test_only_files_whose_size_or_times_changed_are_hashed_again(
    broken_off: Any, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = manifest.parent / "2.png"
    os.utime(touched)
    read: list[str] = []
    from facegap.audit import kept_parts

    real = kept_parts.read_file
    monkeypatch.setattr(kept_parts, "read_file", lambda path, **given: read.append(path) or real(path, **given))
    broken_off()
    assert read == ["2.png"]


# ---- the report ----


def half_a_report(folder: Path, how: str) -> None:
    if how == "figures begun":
        shutil.rmtree(folder / "figures")
        (folder / "figures").mkdir()
        (folder / "figures" / ".errors.svg.17.tmp").write_bytes(b"<svg")
        (folder / "figures" / "errors.svg").write_bytes(b"<svg/>")
    elif how == "page missing":
        (folder / "report.html").unlink()
    elif how == "page cut":
        (folder / "report.html").write_bytes((folder / "report.html").read_bytes()[:1000])
    else:  # before the first hash of the report
        for path in [folder / "report.html", *(folder / "figures").iterdir()][::2]:
            path.write_bytes(b"")


@pytest.mark.parametrize("how", ["figures begun", "page missing", "page cut", "several"])
def test_a_kill_while_the_report_is_written_is_made_good_by_resume(
    manifest: Path, toys: Any, tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "run"
    run = audited(manifest, **toys.two, by="gender", out=folder)
    add_report(folder, run, include_ids=False)
    whole = tables(folder)
    half_a_report(folder, how)
    run = audited(manifest, **toys.two, by="gender", out=folder, resume=True)
    assert recheck(folder) == []
    add_report(folder, run, include_ids=False)
    assert recheck(folder) == []
    assert tables(folder) == whole


def test_a_changed_table_still_stops_it_and_the_report_stays(manifest: Path, toys: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    add_report(folder, audited(manifest, **toys.two, by="gender", out=folder), include_ids=False)
    (folder / "rates.csv").write_bytes(b"metric\n")
    half_a_report(folder, "page cut")
    with pytest.raises(RunError, match=r"rates\.csv: changed since the run was written"):
        audited(manifest, **toys.two, by="gender", out=folder, resume=True)
    assert (folder / "report.html").stat().st_size == 1000


# ---- black boxes ----


def box_of(kind: str, manifest: Path, folder: Path) -> Callable[..., Any]:
    """An audit of a black box of this kind, for which the folder and whether it is resumed are given later."""
    import numpy as np

    if kind == "predictions":
        answers = folder / "answers.csv"
        answers.write_text("image,prediction\n" + "".join(f"{k}.png,{'mf'[k % 2]}\n" for k in range(IMAGES)))
        return lambda **out: audit_predictions(answers, manifest, by="gender", out=out)
    if kind == "templates":
        np.save(folder / "t.npy", np.random.default_rng(0).normal(size=(IMAGES, 8)).astype(np.float32))
        return lambda **out: audit_embeddings(folder / "t.npy", manifest, by="gender", out=out, verify=GIVEN)
    rows = [f"{a}.png,{b}.png,{np.cos(a * b) + 9 * (a // 2 == b // 2):.4f}" for a in range(IMAGES) for b in range(a)]
    (folder / "s.csv").write_text("left,right,score\n" + "\n".join(rows) + "\n")
    return lambda **out: audit_scores(folder / "s.csv", manifest=manifest, by="gender", out=out, verify=GIVEN)


@pytest.mark.parametrize("kind", ["predictions", "templates", "scores"])
@short_and_full("every", 6, 1)
def test_an_audit_of_a_black_box_that_was_broken_off_anywhere_is_resumed(
    manifest: Path, tmp_path: Path, kind: str, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = box_of(kind, manifest, tmp_path)
    audit(folder=tmp_path / "whole")
    real = store.writing
    from facegap.store import files

    for kill_at in range(0, 60, every):
        written = 0

        def writing(path: Path, real: Any = real, kill_at: int = kill_at) -> Any:
            nonlocal written
            written += 1
            if written > kill_at:
                raise KeyboardInterrupt
            return real(path)

        folder = tmp_path / f"run{kill_at}"
        monkeypatch.setattr(files, "writing", writing)
        try:
            audit(folder=folder)
        except KeyboardInterrupt:
            monkeypatch.setattr(files, "writing", real)
            audit(folder=folder, resume=True)
            assert tables(folder) == tables(tmp_path / "whole")
            assert recheck(folder) == []
        else:
            break
        finally:
            monkeypatch.setattr(files, "writing", real)
    assert kill_at > 4
    audit(folder=folder, resume=True)  # a complete run is read and left unchanged
    assert recheck(folder) == []


@pytest.mark.parametrize("kind", ["predictions", "templates", "scores"])
def test_another_file_of_answers_is_not_taken_for_the_one_of_the_run(manifest: Path, tmp_path: Path, kind: str) -> None:
    audit = box_of(kind, manifest, tmp_path)
    audit(folder=tmp_path / "run")
    name = {"predictions": "answers.csv", "templates": "t.npy", "scores": "s.csv"}[kind]
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:-2] + (b"\x01\x02" if kind == "templates" else b"\n"))
    if kind == "predictions":
        (tmp_path / name).write_bytes(data.replace(b"11.png,f", b"11.png,m"))
    with pytest.raises(RunError, match=r"the run in it differs in .*_sha256"):
        audit(folder=tmp_path / "run", resume=True)


def test_parts_made_to_look_right_end_in_one_error(broken_parts: Any, tmp_path: Path) -> None:
    """A part with valid hashes and the rows of the manifest, but not written by this version."""
    folder = tmp_path / "run"
    rows = store.read_part(folder, 1)
    for forged in (
        rows.drop(columns="outcome"),
        rows.assign(outcome="splendid"),
        rows.assign(faces="many"),
        pd.concat([rows] * 2).iloc[:4].assign(x1="nan?"),
    ):
        store.write_part(folder, 1, forged.assign(row=rows["row"].tolist(), image=rows["image"].tolist()), None)
        with pytest.raises(FacegapError):
            broken_parts()
