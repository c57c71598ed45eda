"""FHIBE-Face, MORPH, MEDS-II, MST-E and FACET: labels are copied unchanged, and omissions are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from facegap.errors import TableError
from facegap.inputs.datasets.by_table import facet, fhibe, joined_list, meds, morph, mst_e, release_of
from fixtures import dataset_trees


def test_fhibe_keeps_the_words_of_the_set_and_infers_no_gender(tmp_path: Path) -> None:
    dataset_trees.fhibe(tmp_path)
    frame = fhibe(tmp_path)
    assert list(frame["subject"]) == ["s1", "s1", "s2"]
    assert list(frame["pronoun"]) == ["1. He/him/his", "1. He/him/his", "0. She/her/hers + 2. They/them/their"]
    assert frame["ancestry"][0] == "11. Asia + 15. Southern Asia"
    assert list(frame["natural_skin_color"]) == ["2. [164, 131, 103]", "2. [164, 131, 103]", "0. [102, 78, 65]"]
    assert frame["apparent_skin_color"][0] == "1. [136, 105, 81]"
    assert list(frame["age"]) == ["31", "31", "58"]
    assert "gender" not in frame.columns
    assert all((tmp_path / name).is_file() for name in frame["image"])


def test_the_release_of_fhibe_stands_in_a_column(tmp_path: Path) -> None:
    unpacked = tmp_path / "fhibe.20250716.u.gT5_rFTA_downsampled_public"
    dataset_trees.fhibe(unpacked)
    assert set(fhibe(unpacked)["release"]) == {"20250716.u.gT5_rFTA"}
    assert release_of(unpacked / "data") == "20250716.u.gT5_rFTA"
    assert "release" not in fhibe_below(tmp_path / "other").columns


def fhibe_below(folder: Path):
    dataset_trees.fhibe(folder)
    found = fhibe(folder)
    assert "does not show the release" in found.attrs["notes"][0]
    return found


@pytest.mark.parametrize("begins_below", ["data/", "data/raw/"])
def test_paths_of_fhibe_may_begin_at_a_folder_below(tmp_path: Path, begins_below: str) -> None:
    dataset_trees.fhibe(tmp_path)
    text = dataset_trees.FHIBE.replace("data/raw/", "data/raw/".removeprefix(begins_below))
    dataset_trees.table(tmp_path, "data/processed/fhibe_face_crop_align/fhibe_face_crop_align.csv", text)
    frame = fhibe(tmp_path)
    assert frame.attrs["root"] == begins_below
    assert frame["image"][0] == text.splitlines()[1].split(",")[2]  # the name in the table with the keypoints
    assert all((tmp_path / begins_below / name).is_file() for name in frame["image"])


@pytest.mark.parametrize("cell", ["[" * 200 + "]" * 200, "[__import__('os')]", "['a', ", "[['a']]", "[{}]"])
def test_a_list_that_is_none_is_refused_with_its_place(cell: str) -> None:
    with pytest.raises(TableError, match=r"t\.csv line 2, column pronoun: .* is not a list of words"):
        joined_list(cell, "t.csv line 2, column pronoun")


def test_a_cell_that_is_no_list_stays(tmp_path: Path) -> None:
    assert joined_list(" 1. He/him/his ", "") == "1. He/him/his"
    assert joined_list("", "") == ""
    assert joined_list("[]", "") == ""


def test_no_path_of_a_table_leads_the_adapter_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "outside.png").write_bytes(b"x")
    inside = tmp_path / "set"
    dataset_trees.table(
        inside,
        "data/processed/fhibe_face_crop_align/fhibe_face_crop_align.csv",
        "subject_id,filepath\ns1,../outside.png\n",
    )
    with pytest.raises(TableError, match="not the layout of fhibe"):
        fhibe(inside)


def test_morph_takes_letters_as_they_are_and_computes_ages_that_are_missing(tmp_path: Path) -> None:
    dataset_trees.morph(tmp_path)
    frame = morph(tmp_path)
    assert frame.to_dict("list") == {
        "image": ["Album2/009055_1M51.JPG", "Album2/009055_2M52.JPG", "Album2/300077_00F23.JPG"],
        "subject": ["009055", "009055", "300077"],
        "gender": ["M", "M", "F"],
        "race": ["B", "B", "W"],
        "age": ["51", "52", "23"],
    }
    assert frame.attrs["notes"] == ["1 ages were computed from the dates of birth and of arrest"]


def test_two_tables_of_morph_are_refused(tmp_path: Path) -> None:
    dataset_trees.morph(tmp_path)
    dataset_trees.table(tmp_path, "morph_2.csv", dataset_trees.MORPH)
    with pytest.raises(TableError, match="2 are there"):
        morph(tmp_path)


def test_meds_joins_the_table_to_the_files_that_are_there(tmp_path: Path) -> None:
    dataset_trees.meds(tmp_path)
    frame = meds(tmp_path)
    assert list(frame["subject"]) == ["S001", "S001", "S103"]
    assert list(frame["race"]) == ["W", "W", "U"]
    assert list(frame["gender"]) == ["F", "F", "M"]
    assert list(frame["pose"]) == ["Frontal", "Left Angle", "Frontal"]
    assert frame.attrs["notes"] == ["1 rows of subject_metadata.csv name images that do not exist"]


def test_meds_without_its_table_has_subjects_and_says_so(tmp_path: Path) -> None:
    dataset_trees.pictures(tmp_path, "img/S001-01-t10_01.jpg", "img/S002-01-t10_01.jpg")
    frame = meds(tmp_path)
    assert list(frame.columns) == ["image", "subject"]
    assert "no labels" in frame.attrs["notes"][0]


def test_mst_e_leaves_videos_out_and_counts_them(tmp_path: Path) -> None:
    dataset_trees.mst_e(tmp_path)
    frame = mst_e(tmp_path)
    assert list(frame["image"]) == ["mst-e_data/subject_0/PXL_1.jpg", "mst-e_data/subject_12/PXL_3.jpg"]
    assert list(frame["monk"]) == ["5", "10"]
    assert frame.attrs["notes"] == ["1 rows that are not images (videos, raw files) were left out"]


def test_facet_keeps_images_of_one_person_and_takes_no_tone_where_votes_tie(tmp_path: Path) -> None:
    dataset_trees.facet(tmp_path)
    frame = facet(tmp_path)
    assert list(frame["image"]) == ["imgs_1/sa_1.jpg", "imgs_2/sa_2.jpg"]
    assert list(frame["monk"]) == ["5", ""]
    assert list(frame["gender_presentation"]) == ["fem", "masc"]
    assert list(frame["age_presentation"]) == ["middle", "older"]
    assert "gender" not in frame.columns
    assert frame.attrs["notes"] == [
        "1 images with several annotated people (2 rows) were left out; crop them to one person per image",
        "1 images have no step of the Monk scale marked by most annotators",
    ]


@pytest.mark.parametrize(("adapter", "name"), [(mst_e, "mst-e_image_details.csv"), (facet, "annotations.csv")])
def test_a_table_without_a_column_of_the_set_is_named(tmp_path: Path, adapter, name: str) -> None:
    dataset_trees.table(tmp_path, name, "a,b\n1,2\n")
    with pytest.raises(TableError, match=rf"{name} line 1: no column \w+ \(found: a, b\)"):
        adapter(tmp_path)
