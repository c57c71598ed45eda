"""--no-ids: no file of a run contains names of images or subjects, and all numbers are unchanged."""

from __future__ import annotations

import io
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.audit import hashed_names
from facegap.audit.run import recheck
from facegap.cli.app import main
from facegap.store import run as store
from facegap.store.run import read_run
from fixtures.circle import Circle
from fixtures.settings import audited

PEOPLE = ("ada", "bea", "cyd", "dan", "eli", "fox")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> Path:
    """Two images of each of six people, and a file that is not an image."""
    folder = tmp_path_factory.mktemp("pictures")
    lines = []
    for k, name in enumerate(PEOPLE):
        for copy in range(2):
            cv2.imwrite(str(folder / f"{name}{copy}.png"), draw(green=204 if k % 2 else 51, red=20 * k + 9 * copy + 5))
            lines.append(f"{name}{copy}.png,{name},{'female' if k % 2 else 'male'}")
    (folder / "fox2.png").write_text("no picture")
    lines.append("fox2.png,fox,female")
    (folder / "people.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    return folder


def texts_of(folder: Path) -> dict[str, str]:
    """Every file of a run as text, parquet files unpacked."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            text = io.StringIO()
            pd.read_parquet(path).to_csv(text)
            found[path.name] = text.getvalue()
        elif path.is_file():
            found[path.name] = path.read_bytes().decode("utf-8", "replace")
    return found


def test_no_file_names_anybody_and_every_rate_is_the_same(pictures: Path, toys: Any, tmp_path: Path) -> None:
    asked = {**toys.three, "by": "gender", "min_subjects": 2, "identify": True}
    named = audited(pictures / "people.csv", **asked, out=tmp_path / "named")
    hidden = audited(pictures / "people.csv", **asked, keep_ids=False, out=tmp_path / "hidden")
    assert hidden.rates.equals(named.rates)
    assert hidden.gaps.equals(named.gaps)
    names = [f"{name}{copy}.png" for name in PEOPLE for copy in range(3)]
    assert any(name in text for text in texts_of(tmp_path / "named").values() for name in names)
    for file, text in texts_of(tmp_path / "hidden").items():
        assert not [name for name in names if name in text], file
    assert not set(read_run(tmp_path / "hidden").manifest["subject"]) & set(PEOPLE)
    assert recheck(tmp_path / "hidden") == []


def test_images_of_a_person_stay_together_and_two_runs_cannot_be_joined(
    pictures: Path, toys: Any, tmp_path: Path
) -> None:
    runs = [
        audited(pictures / "people.csv", **toys.two, by="gender", keep_ids=False, out=tmp_path / str(k)).manifest
        for k in range(2)
    ]
    subjects = [list(run["subject"]) for run in runs]
    assert len(set(subjects[0])) == len(PEOPLE)
    assert subjects[0][0] == subjects[0][1]
    assert not set(subjects[0]) & set(subjects[1])
    assert not list(tmp_path.rglob("salt"))


def test_a_run_that_is_broken_off_at_its_end_resumes_with_the_same_hashes(
    pictures: Path, toys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {**toys.three, "by": "gender", "min_subjects": 2, "keep_ids": False, "out": tmp_path / "run"}
    salts = []
    with monkeypatch.context() as patch:
        patch.setattr(store, "finish", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            audited(pictures / "people.csv", **asked)
    salts.append((tmp_path / "run" / "parts" / "salt").read_bytes())
    shutil.copytree(tmp_path / "run", tmp_path / "kept")
    resumed = audited(pictures / "people.csv", **asked, resume=True)
    assert resumed.manifest["subject"][0] == hashed_names.hashed("ada", salts[0])
    assert not (tmp_path / "run" / "parts").exists()


def test_a_run_of_templates_hides_names_too(six: Circle, tmp_path: Path) -> None:
    run = six.run(out={"folder": tmp_path / "run", "keep_ids": False})
    assert run.rates.equals(six.run().rates)
    for file, text in texts_of(tmp_path / "run").items():
        assert re.search(r"\bbea1\b", text) is None, file  # a hash may contain these four hexadecimal digits


def test_an_empty_name_stays_empty() -> None:
    assert hashed_names.hashed("", b"salt") == ""
    assert len(hashed_names.hashed("ada", b"salt")) == hashed_names.HASH_DIGITS
    assert hashed_names.hashed("ada", b"salt") != hashed_names.hashed("ada", b"other")


@pytest.mark.parametrize("command", ["audit-predictions", "audit-embeddings", "audit-scores"])
def test_no_file_of_a_black_box_names_anybody_either(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [(f"{name}{copy}.png", name) for name in PEOPLE for copy in range(2)]
    lines = [f"{image},{name},{'female' if k // 2 % 2 else 'male'}" for k, (image, name) in enumerate(images)]
    people = tmp_path / "people.csv"
    people.write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    (tmp_path / "answers.csv").write_text("image,prediction\n" + "".join(f"{image},male\n" for image, _ in images))
    np.save(tmp_path / "templates.npy", np.random.default_rng(1).normal(size=(len(images), 8)).astype(np.float32))
    scores = [f"{a[0]},{b[0]},{a[1] == b[1]}.{len(a[0])}" for a in images for b in images if a < b]
    text = "\n".join(scores).replace("True", "1").replace("False", "0")
    (tmp_path / "scores.csv").write_text(f"left,right,score\n{text}\n")
    given = {
        "audit-predictions": ["answers.csv", str(people)],
        "audit-embeddings": ["templates.npy", str(people), "--threshold", "0.5"],
        "audit-scores": ["scores.csv", "--manifest", str(people), "--threshold", "0.5"],
    }[command]
    words = [command, str(tmp_path / given[0]), *given[1:], "--by", "gender", "--min-subjects", "2", "--no-ids"]
    monkeypatch.setattr(sys, "argv", ["facegap", *words, "--out", str(tmp_path / "run")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None), capsys.readouterr().err
    for file, content in texts_of(tmp_path / "run").items():
        assert not [image for image, _ in images if image in content], file
        assert not [name for name in PEOPLE if f",{name}," in content], file
    assert recheck(tmp_path / "run") == []
