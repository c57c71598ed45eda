"""Labels joined to the people of a protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from facegap.errors import TableError
from facegap.inputs.protocols.labels import with_labels
from facegap.inputs.protocols.listing import Listing
from facegap.inputs.protocols.lists import lfw


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    (tmp_path / "pairs.txt").write_text("1\t1\nAnn\t1\t2\nAnn\t1\tBo\t1\n")
    return lfw(tmp_path)


def table(folder: Path, text: str) -> Path:
    (folder / "labels.csv").write_text(text)
    return folder / "labels.csv"


@pytest.mark.parametrize(
    "text",
    [
        "subject,gender\nAnn,female\nCy,male\n",
        "image,gender\nAnn_0001.png,female\nelsewhere/Ann_0002.jpg,female\n",
    ],
)
def test_labels_come_by_subject_or_by_the_name_of_the_file(listing: Listing, tmp_path: Path, text: str) -> None:
    found = with_labels(listing, table(tmp_path, text))
    assert found.people["gender"].tolist() == ["female", "female", ""]
    assert found.labels == ["gender"]
    assert found.notes[-1] == "1 of 3 images have no row in labels.csv and so no label"
    assert found.files[-1][0] == "labels.csv"


def test_the_metadata_of_ijb_gives_labels_by_subject_where_its_rows_agree(listing: Listing, tmp_path: Path) -> None:
    text = "SUBJECT_ID,FILENAME,SKINTONE,GENDER,AGE\nAnn,1.jpg,3,0,2\nAnn,2.jpg,4,0,2\nBo,3.jpg,5,1,3\n"
    found = with_labels(listing, table(tmp_path, text))
    assert found.people[["skin_tone", "gender"]].to_numpy().tolist() == [["", "0"], ["", "0"], ["5", "1"]]
    assert found.notes[-1] == "labels.csv: 1 subjects have several values of SKINTONE and so no label for it"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,gender\nAnn,female\n", "line 1: no column image or subject"),
        ("SUBJECT_ID,AGE\nAnn,2\n", "line 1: none of the columns SKINTONE, GENDER"),
        ("subject\nAnn\n", "line 1: no label column"),
        ("subject,fold\nAnn,1\n", "line 1: the protocol already has a column fold"),
        ("subject,gender\nAnn,female\nAnn,male\n", "line 3, column subject: 'Ann' occurs twice; keep one"),
        ("subject,gender\nann,female\n", "none of its names occurs in the protocol, such as 'Ann'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(listing: Listing, tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(TableError, match=words):
        with_labels(listing, table(tmp_path, text))
