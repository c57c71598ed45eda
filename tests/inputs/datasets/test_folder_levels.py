"""Folders that are people, and folders that are not."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from facegap.errors import TableError
from facegap.inputs.datasets.folder_levels import SubjectFrom, kind_of, levels_of


def read(*names: str, subject: SubjectFrom | None = None) -> tuple[list[list[str]], list[str]]:
    frame, notes = levels_of([PurePosixPath(name) for name in names], subject)
    return [list(frame.columns), *frame.to_numpy().tolist()], notes


def test_people_s_folders_are_read_without_a_word() -> None:
    table, notes = read("Ann/1.jpg", "Ann/day/2.jpg", "Bo/1.jpg")
    assert table == [["image", "subject"], ["Ann/1.jpg", "Ann"], ["Ann/day/2.jpg", "Ann"], ["Bo/1.jpg", "Bo"]]
    assert notes == []


def test_years_are_no_people_and_a_name_in_several_of_them_is_one() -> None:
    table, notes = read("2015/a.jpg", "2015/b.jpg", "2024/a.png")
    assert table == [
        ["image", "subject", "year"],
        ["2015/a.jpg", "a", "2015"],
        ["2015/b.jpg", "b", "2015"],
        ["2024/a.png", "a", "2024"],
    ]
    assert notes[0] == "the folders '2015', '2024' were read as the column year, not as people"
    assert notes[1].startswith("file names occur in several folders ('a')")


def test_years_above_people_s_folders_keep_the_people() -> None:
    table, _ = read("2015/Ann/1.jpg", "2024/Ann/1.jpg", "2024/Bo/1.jpg")
    assert [row[1:] for row in table] == [["subject", "year"], ["Ann", "2015"], ["Ann", "2024"], ["Bo", "2024"]]


def test_years_whose_file_names_never_repeat_name_nobody() -> None:
    table, notes = read("2015/a.jpg", "2024/b.jpg")
    assert table[0] == ["image", "year"]
    assert notes[1] == "no file name occurs in two folders, so no column subject was written"


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["2015", "2024"], "year"),
        (["2015-06", "2015-07-01"], "date"),
        (["train", "Val"], "split"),
        (["women", "Men"], "gender"),
        (["East Asian", "Black", "Latino_Hispanic"], "race"),
        (["0-2", "20-29", "more than 70"], "age"),
        (["images"], "container"),
        (["Ann", "Bo"], None),
        (["0001", "1999", "2000", "3001"], None),  # four-digit ids, some of which look like years
        (["female", "Ann"], None),
    ],
)
def test_a_level_is_what_all_of_its_folders_are(names: list[str], kind: str | None) -> None:
    assert kind_of(names) == kind


def test_levels_may_lie_in_each_other() -> None:
    table, _ = read("images/train/women/Ann/1.jpg", "images/val/men/Bo/1.jpg")
    assert table == [
        ["image", "subject", "split", "gender"],
        ["images/train/women/Ann/1.jpg", "Ann", "train", "women"],
        ["images/val/men/Bo/1.jpg", "Bo", "val", "men"],
    ]


def test_folders_that_are_mostly_years_are_asked_about() -> None:
    with pytest.raises(TableError, match=r"'2015', '2024' look like years and 'old' do not.*--subject"):
        read("2015/a.jpg", "2024/a.jpg", "old/a.jpg")


def test_what_is_said_of_the_subject_is_followed() -> None:
    assert read("2015/a.jpg", "2024/a.jpg", subject="folder")[0][1] == ["2015/a.jpg", "2015"]
    assert read("Ann/a.jpg", "Bo/a.jpg", subject="name")[0] == [
        ["image", "subject"],
        ["Ann/a.jpg", "a"],
        ["Bo/a.jpg", "a"],
    ]
    assert read("2015/a.jpg", "2024/a.jpg", subject="nobody")[0][0] == ["image", "year"]


def test_loose_images_are_asked_about() -> None:
    for names in (("a.jpg", "b.jpg"), ("Ann/1.jpg", "b.jpg")):
        with pytest.raises(TableError, match=r"outside any person's folder.*--subject name or nobody"):
            read(*names)
