"""Each public layout, as a tiny folder tree, becomes a readable manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import fetch_lfw_people

from facegap.errors import TableError
from facegap.inputs.datasets.adapters import ADAPTERS
from facegap.inputs.manifests.read import Manifest, read_manifest


def tree(folder: Path, *files: str) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def as_manifest(folder: Path, frame: pd.DataFrame) -> Manifest:
    """The manifest that an audit would read: the adapter's frame, written to the folder."""
    frame.to_csv(folder / "manifest.csv", index=False)
    manifest = read_manifest(folder / "manifest.csv")
    assert all((manifest.folder / path).is_file() for path in manifest.frame["path"])
    assert len(manifest.frame) == len(frame)
    return manifest


PPB = "n,filename,gender,numeric,bi.fitz,country\r1,a.jpg,Female,0,darker,Rwanda\r2,b.jpg,Male,1,Lighter,Finland\r"


PPB_HEADERS = ["n,filename,gender,numeric,bi.fitz,country", "a,b,c,d,e,f", "n,File,Gender,x,Skin color,Country"]


@pytest.mark.parametrize("inner", ["", "PPB-2017/"])
@pytest.mark.parametrize("header", PPB_HEADERS)
def test_ppb_becomes_images_with_gender_tone_and_country(tmp_path: Path, inner: str, header: str) -> None:
    tree(tmp_path, f"{inner}imgs/a.jpg", f"{inner}imgs/b.jpg")
    (tmp_path / f"{inner}PPB-2017-metadata.csv").write_text(PPB.replace(PPB.split("\r")[0], header))
    frame = ADAPTERS["ppb"](tmp_path)
    assert frame.to_dict("list") == {
        "image": [f"{inner}imgs/a.jpg", f"{inner}imgs/b.jpg"],
        "gender": ["female", "male"],
        "tone": ["darker", "lighter"],
        "country": ["Rwanda", "Finland"],
    }
    assert not as_manifest(tmp_path, frame).has_subjects


FAIRFACE = "file,age,gender,race,service_test\nval/1.jpg,3-9,Male,East Asian,True\nval/2.jpg,50-59,Female,Black,False\n"


@pytest.mark.parametrize("inner", ["", "fairface-img-margin025-trainval/"])
def test_fairface_as_released_becomes_a_manifest(tmp_path: Path, inner: str) -> None:
    tree(tmp_path, f"{inner}val/1.jpg", f"{inner}val/2.jpg")
    (tmp_path / "fairface_label_val.csv").write_text(FAIRFACE)
    manifest = as_manifest(tmp_path, ADAPTERS["fairface"](tmp_path))
    assert manifest.frame["image"].tolist() == [f"{inner}val/1.jpg", f"{inner}val/2.jpg"]
    assert manifest.frame["gender"].tolist() == ["male", "female"]
    assert manifest.labels == ("age", "gender", "race", "service_test")


def test_fairface_training_and_validation_files_are_read_together(tmp_path: Path) -> None:
    tree(tmp_path, "val/1.jpg", "val/2.jpg", "train/1.jpg", "train/2.jpg")
    (tmp_path / "fairface_label_val.csv").write_text(FAIRFACE)
    (tmp_path / "fairface_label_train.csv").write_text(FAIRFACE.replace("val/", "train/"))
    assert len(as_manifest(tmp_path, ADAPTERS["fairface"](tmp_path)).frame) == 4


def test_fairface_as_a_table_of_images_becomes_a_manifest(tmp_path: Path) -> None:
    tree(tmp_path, "images/1.jpg")
    text = "image,gender,race,age,service_test\nimages/1.jpg,male,East Asian,3-9,False\n"
    (tmp_path / "labels.csv").write_text(text)
    assert as_manifest(tmp_path, ADAPTERS["fairface"](tmp_path)).frame["race"].tolist() == ["East Asian"]


def test_fairface_without_its_images_says_what_it_looked_for(tmp_path: Path) -> None:
    (tmp_path / "fairface_label_val.csv").write_text(FAIRFACE)
    with pytest.raises(TableError, match=r"the images that fairface_label_val\.csv names, such as val/1\.jpg"):
        ADAPTERS["fairface"](tmp_path)
    (tmp_path / "fairface_label_val.csv").write_text("file,age,gender\nval/1.jpg,3-9,Male\n")
    with pytest.raises(TableError, match="no column race"):
        ADAPTERS["fairface"](tmp_path)


@pytest.mark.parametrize("inner", ["", "lfw/", "lfw_funneled/", "lfw_home/lfw_funneled/", "lfw_home/lfw/"])
def test_lfw_is_found_where_it_lies_and_where_scikit_learn_keeps_it(tmp_path: Path, inner: str) -> None:
    people = ("Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0002.jpg", "Bo/Bo_0001.jpg")
    tree(tmp_path, *(f"{inner}{name}" for name in people), f"{inner}pairs_01.txt")
    manifest = as_manifest(tmp_path, ADAPTERS["lfw"](tmp_path))
    assert manifest.frame["subject"].tolist() == ["Ann_Lee", "Ann_Lee", "Bo"]
    assert manifest.labels == ()


def test_the_files_are_those_that_scikit_learn_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The loader decodes with Pillow, which is not needed here: only the files that it would open matter.
    opened: list[str] = []

    def no_decoding(paths: list[str], *_: object) -> np.ndarray:
        opened.extend(Path(path).relative_to(tmp_path).as_posix() for path in paths)
        return np.zeros((len(paths), 2, 2), dtype=np.float32)

    monkeypatch.setattr("sklearn.datasets._lfw._load_imgs", no_decoding)
    people = ("Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0002.jpg", "Bo/Bo_0001.jpg")
    tree(tmp_path, *(f"lfw_home/lfw_funneled/{name}" for name in people))
    tree(tmp_path, *(f"lfw_home/{name}" for name in ("pairs.txt", "pairsDevTest.txt", "pairsDevTrain.txt")))
    fetch_lfw_people(data_home=str(tmp_path), download_if_missing=False)
    assert ADAPTERS["lfw"](tmp_path)["image"].tolist() == sorted(opened)
    assert len(opened) == 3


@pytest.mark.parametrize("inner", ["", "data/", "test/data/"])
def test_rfw_becomes_subjects_with_the_race_of_their_folder(tmp_path: Path, inner: str) -> None:
    tree(tmp_path, *(f"{inner}{name}" for name in ("African/m.01/m.01_0001.jpg", "African/m.01/m.01_0003.jpg")))
    tree(tmp_path, f"{inner}Indian/m.02/m.02_0001.jpg")
    manifest = as_manifest(tmp_path, ADAPTERS["rfw"](tmp_path))
    assert manifest.frame["subject"].tolist() == ["m.01", "m.01", "m.02"]
    assert manifest.frame["race"].tolist() == ["African", "African", "Indian"]


@pytest.mark.parametrize("inner", ["", "uncropped-face-samples/"])
def test_bfw_becomes_subjects_with_gender_and_race(tmp_path: Path, inner: str) -> None:
    tree(tmp_path, f"{inner}asian_females/n000009/0010_01.jpg", f"{inner}white_males/n000012/0043_01.jpg")
    manifest = as_manifest(tmp_path, ADAPTERS["bfw"](tmp_path))
    assert manifest.frame["subject"].tolist() == ["n000009", "n000012"]
    assert manifest.frame["gender"].tolist() == ["female", "male"]
    assert manifest.frame["race"].tolist() == ["Asian", "White"]


def test_utkface_labels_come_from_the_names_and_no_image_is_lost(tmp_path: Path) -> None:
    names = ("26_0_1_20170116174525125.jpg.chip.jpg", "100_1_4_20170110183726390.jpg", "61_1_20170109150557335.jpg")
    tree(tmp_path, *(f"part1/{name}" for name in names), "part1/53__0_20170116184028385.jpg", "part1/readme.jpg")
    manifest = as_manifest(tmp_path, ADAPTERS["utkface"](tmp_path))
    found = manifest.frame.set_index("age")[["gender", "race"]].T.to_dict("list")
    assert found == {
        "26": ["male", "Black"],
        "100": ["female", "Others"],
        "61": ["unknown", "unknown"],
        "53": ["unknown", "White"],
    }


def test_folders_of_people_become_subjects(tmp_path: Path) -> None:
    tree(tmp_path, "Bo/1.PNG", "Ann/day/1.jpg", "Ann/2.webp", "Ann/.hidden.jpg", "Ann/notes.txt", "readme.md")
    manifest = as_manifest(tmp_path, ADAPTERS["folders"](tmp_path))
    assert manifest.frame["image"].tolist() == ["Ann/2.webp", "Ann/day/1.jpg", "Bo/1.PNG"]
    assert manifest.frame["subject"].tolist() == ["Ann", "Ann", "Bo"]


def test_an_image_of_nobody_among_folders_of_people_is_refused(tmp_path: Path) -> None:
    tree(tmp_path, "Ann/1.jpg", "loose.jpg")
    with pytest.raises(TableError, match=r"loose\.jpg: an image outside any person's folder; move it"):
        ADAPTERS["folders"](tmp_path)


@pytest.mark.parametrize(
    ("adapter", "looked_for"),
    [
        ("ppb", "PPB-2017-metadata.csv and the folder imgs/"),
        ("fairface", "fairface_label_val.csv"),
        ("lfw", "Name/Name_0001.jpg"),
        ("rfw", "data/<race>/<person>/"),
        ("bfw", "asian_females/<person>/"),
        ("utkface", "images named age_gender_race_date.jpg"),
        ("folders", "<person>/<image>"),
    ],
)
def test_another_layout_is_refused_with_what_was_looked_for_and_found(
    tmp_path: Path, adapter: str, looked_for: str
) -> None:
    tree(tmp_path, "something/else.txt")
    with pytest.raises(TableError) as caught:
        ADAPTERS[adapter](tmp_path)
    assert f"not the layout of {adapter}; looked for {looked_for}" in str(caught.value)
    assert str(caught.value).endswith("found something")
    with pytest.raises(TableError, match="no such folder"):
        ADAPTERS[adapter](tmp_path / "lost")


@pytest.mark.real
def test_the_fairface_faces_here_are_read_whole(test_data: Path) -> None:
    frame = ADAPTERS["fairface"](test_data / "data/fairface_val")
    assert len(frame) == 5000
    assert frame["race"].nunique() == 7
    assert frame["age"].nunique() == 9
