"""Missing image files, and files with similar names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from facegap.inputs.manifests.near_names import LISTED_FROM, missing_file_sentences, missing_files, unlisted


def rows(*paths: str) -> pd.DataFrame:
    return pd.DataFrame({"path": paths, "image": paths, "line": range(2, 2 + len(paths))})


@pytest.mark.parametrize(
    ("written", "there", "how"),
    [
        ("a.jpg", "a.JPG", "upper and lower case"),
        ("A.JPG", "a.jpg", "upper and lower case"),
        ("jose\u0301.jpg", "jos\u00e9.jpg", "Unicode form"),
        ("Jos\u00e9.jpg", "jose\u0301.JPG", "upper and lower case"),
        ("a.jpg", "a.jpeg", "suffix"),
        ("a.jpg", "a.png", "suffix"),
        ("a", "a.jpg", "suffix"),
        ("a b.jpg", "ab.jpg", "blanks"),
        ("a.jpg ", "a.jpg", "blanks"),
        ("a%20b.jpg", "a b.jpg", "percent-encoding"),
        ("images/a.jpg", "Images/a.jpg", "upper and lower case"),
        ("images\\a.jpg", "images/a.jpg", "backslashes"),
        ("Images\\a.jpg", "images/a.JPG", "backslashes, upper and lower case"),
    ],
)
def test_a_near_name_is_proposed_with_the_way_in_which_it_differs(
    written: str, there: str, how: str, tmp_path: Path
) -> None:
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_bytes(b"x")
    (found,) = missing_files(rows(written), tmp_path)
    assert (found.near, found.how) == (there, how)


def test_a_file_that_is_there_byte_for_byte_is_not_missing(tmp_path: Path) -> None:
    (tmp_path / "jose\u0301.jpg").write_bytes(b"x")
    assert missing_files(rows("jose\u0301.jpg"), tmp_path) == []


@pytest.mark.parametrize("names", [("a.JPG", "A.jpg"), ("a.jpeg", "a.png"), ()])
def test_nothing_is_proposed_where_two_names_are_equally_near_or_none_is(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    (found,) = missing_files(rows("a.jpg"), tmp_path)
    assert (found.near, found.how) == ("", "")


def test_no_path_outside_the_folder_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.JPG").write_bytes(b"x")
    (found,) = missing_files(rows("../a.jpg"), tmp_path / "inner")
    assert found.near == ""


def test_names_are_told_only_where_they_may_be(tmp_path: Path) -> None:
    (tmp_path / "a.JPG").write_bytes(b"x")
    missing = missing_files(rows("a.jpg", "zz.jpg"), tmp_path)
    said = " ".join(missing_file_sentences(missing, tmp_path, len(missing) + 1, include_ids=False))
    assert "a.jpg" not in said
    assert "First at line 2, 3 of the manifest. 1 of them have a similar name" in said
    assert "upper and lower case (1)" in said
    named = missing_file_sentences(missing, tmp_path, len(missing) + 1, include_ids=True)
    assert "Line 2: 'a.jpg' does not exist, but 'a.JPG' does." in named
    assert "Line 3: 'zz.jpg' does not exist." in named


def test_the_one_folder_that_has_most_files_is_proposed_where_every_file_is_missing(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "my photos").mkdir(exist_ok=True)
        (tmp_path / "my photos" / name).write_bytes(b"x")
    missing = missing_files(rows("a.jpg", "b.jpg", "c.jpg"), tmp_path)
    said = " ".join(missing_file_sentences(missing, tmp_path, 3, include_ids=False))
    assert f"pass --images-dir '{tmp_path / 'my photos'}'" in said
    assert "--images-dir" not in " ".join(missing_file_sentences(missing, tmp_path, 4, include_ids=False))
    (tmp_path / "again").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "again" / name).write_bytes(b"x")
    assert "--images-dir" not in " ".join(missing_file_sentences(missing, tmp_path, 3, include_ids=False))


def test_a_folder_of_many_rows_is_listed_and_its_missing_files_are_found_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    names = [f"many/{k}.jpg" for k in range(LISTED_FROM + 2)]
    for name in names[2:]:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "many" / "1.JPG").write_bytes(b"x")
    assert unlisted([*names, "few.jpg"], str(tmp_path)) == [0, 1, len(names)]
    found = missing_files(rows(*names, "few.jpg"), tmp_path)
    assert [(one.position, one.near) for one in found] == [(0, ""), (1, "many/1.JPG"), (len(names), "")]
