"""`facegap manifest csv` converts a user's table without guessing or losing anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from facegap.catalogue.own_csv import OwnColumns, own_manifest
from facegap.catalogue.tables import write_manifest
from facegap.cli import app
from facegap.errors import SettingError, TableError
from facegap.inputs.manifests.read import read_manifest
from fixtures.dataset_trees import pictures

PEOPLE = (
    "File,Person,Sex,Born,Taken,Skin\n"
    "a/1.jpg,p1,1,1970-06-01,2004-05-31,#a07e56\n"
    "a/2.jpg,p1,1,1970-06-01,2010-06-01,#a07e56\n"
    "b/1.jpg,p2,0,,2004-01-01,\n"
)
NAMED = {"image": "File", "subject": "Person", "labels": ("gender=Sex",), "words": ("gender:0=male,1=female",)}


def table(folder: Path, text: str | bytes = PEOPLE, name: str = "faces.csv") -> Path:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder / name


def made(folder: Path, text: str | bytes = PEOPLE, **given: Any) -> pd.DataFrame:
    """The manifest of a table, by default with File, Person and gender=Sex."""
    return own_manifest(table(folder, text), OwnColumns(**{**NAMED, **given}))[0]


# ---- manifests ----


def test_columns_words_ages_and_tones_become_a_manifest(tmp_path: Path) -> None:
    frame = made(tmp_path, ages=("age=Born,Taken",), swatches=("monk=Skin",))
    assert frame.to_dict("list") == {
        "image": ["a/1.jpg", "a/2.jpg", "b/1.jpg"],
        "subject": ["p1", "p1", "p2"],
        "gender": ["female", "female", "male"],
        "monk": ["6", "6", ""],
        "age": ["33", "40", ""],
    }
    assert frame.attrs["notes"] == ["1 rows have no age: a date is missing or cannot be read"]


def test_a_column_that_nobody_named_is_left_out(tmp_path: Path) -> None:
    assert list(made(tmp_path, subject=None).columns) == ["image", "gender"]


def test_three_columns_are_one_colour_and_a_scale_is_chosen(tmp_path: Path) -> None:
    text = "File,R,G,B\na.jpg,246,237,228\nb.jpg,41,36,32\nc.jpg,,,\n"
    frame = made(tmp_path, text, subject=None, labels=(), words=(), swatches=("tone=R,G,B",), scale="lighter_darker")
    assert list(frame["tone"]) == ["lighter", "darker", ""]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_another_encoding_separator_and_byte_order_mark_are_read(tmp_path: Path, separator: str) -> None:
    text = PEOPLE.replace(",", separator).replace("p2", "José")
    given = {"words": ("gender:0=male,1=female",), "encoding": "cp1252", "separator": separator}
    assert list(made(tmp_path, text.encode("cp1252"), **given)["subject"]) == ["p1", "p1", "José"]
    given["encoding"] = "utf-16"
    assert list(made(tmp_path, text.encode("utf-16"), **given)["subject"]) == ["p1", "p1", "José"]
    assert len(made(tmp_path, b"\xef\xbb\xbf" + PEOPLE.encode())) == 3


def test_windows_paths_and_absolute_ones_become_relative(tmp_path: Path) -> None:
    text = f"File\na\\1.jpg\n{tmp_path}/a/2.jpg\n.\\b\\1.jpg\n"
    frame = made(tmp_path, text, subject=None, labels=(), words=())
    assert list(frame["image"]) == ["a/1.jpg", "a/2.jpg", "b/1.jpg"]
    text = "File\nC:\\data\\a\\1.jpg\n"
    assert list(made(tmp_path, text, subject=None, labels=(), words=(), strip="C:\\data\\")["image"]) == ["a/1.jpg"]


def test_a_row_that_repeats_another_is_left_out_and_counted(tmp_path: Path) -> None:
    frame = made(tmp_path, PEOPLE + PEOPLE.splitlines()[1] + "\n")
    assert len(frame) == 3
    assert frame.attrs["notes"] == ["1 rows that repeat another row in all columns of the manifest were left out"]


def test_people_with_two_genders_are_counted(tmp_path: Path) -> None:
    text = PEOPLE.replace("a/2.jpg,p1,1", "a/2.jpg,p1,0")
    assert "1 subjects have more than one gender across their rows" in made(tmp_path, text).attrs["notes"]
    same = PEOPLE.replace("a/2.jpg,p1,1", "a/2.jpg,p1,f").replace(",0,", ",m,").replace(",1,", ",Female,")
    assert made(tmp_path, same, words=()).attrs["notes"] == []


def test_a_word_of_the_map_that_no_row_has_is_told(tmp_path: Path) -> None:
    notes = made(tmp_path, words=("gender:0=male,1=female,2=other",)).attrs["notes"]
    assert notes == ["no row of faces.csv has gender '2'"]


# ---- errors ----


@pytest.mark.parametrize(("words", "codes"), [((), "'0', '1' are codes"), (("gender:0=male",), "'1' are codes")])
def test_codes_of_gender_are_never_guessed(tmp_path: Path, words: tuple[str, ...], codes: str) -> None:
    with pytest.raises(TableError, match=rf"faces\.csv, gender: {codes}, which differ between tables.*--map gender:"):
        made(tmp_path, words=words)


def test_a_gender_column_of_another_case_is_held_to_that_as_well(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"faces\.csv, Sex: '0', '1' are codes"):
        made(tmp_path, labels=("Sex",), words=())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": "Photo"}, r"faces\.csv line 1: no column Photo \(found: File, Person"),
        ({"labels": ("gender=Gender",)}, "no column Gender"),
        ({"labels": ("2nd=Sex",)}, r"--label '2nd=Sex': write NAME=COLUMN"),
        ({"labels": ("gender=Sex", "gender=Person")}, "two columns of the manifest would be named gender"),
        ({"labels": ("subject=Sex",)}, "two columns of the manifest would be named subject"),
        ({"words": ("race:0=x",)}, "--map race: the manifest has no such label"),
        ({"words": ("gender",)}, "write COLUMN:WORD=LABEL"),
        ({"swatches": ("tone=Born",)}, r"faces\.csv line 2, column Born: '1970-06-01' is not a colour"),
        ({"swatches": ("tone=A,B",)}, "2 columns, but 1 or 3 are needed"),
        ({"swatches": ("tone=Skin",), "scale": "fitzpatrick"}, "--scale fitzpatrick: not one of monk"),
        ({"ages": ("age=Born",)}, "1 columns, but 2 are needed"),
        ({"encoding": "klingon"}, "--encoding klingon: unknown encoding; utf-8, latin-1 and cp1252 are common"),
        ({"encoding": "ascii", "separator": ";;"}, "--separator ';;': one character"),
    ],
)
def test_a_slip_in_an_option_is_named_with_its_cure(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises((TableError, SettingError), match=said):
        made(tmp_path, **given)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("", "empty; name the image"),
        ("/etc/passwd", "lies outside .*--root"),
        ("../x.jpg", "leads out of the folder"),
        ("a/../../x.jpg", "leads out of the folder"),
        ("C:\\x.jpg", "begins with a drive letter; remove it with --strip"),
        ("\\\\server\\share\\x.jpg", "begins with a drive"),
        ("\\x.jpg", "begins with a drive"),
    ],
)
def test_an_image_that_no_folder_holds_is_named_with_its_line(tmp_path: Path, cell: str, said: str) -> None:
    with pytest.raises(TableError, match=rf"faces\.csv line 3, column File: .*{said}"):
        made(tmp_path, f"File,n\na.jpg,1\n{cell},2\n", subject=None, labels=(), words=())


def test_a_person_without_a_name_is_named_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"faces\.csv line 4, column Person: empty; name the person"):
        made(tmp_path, PEOPLE.replace("b/1.jpg,p2", "b/1.jpg,"))


def test_one_image_with_two_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"line 5, column image: 'a/1\.jpg' repeats line 2 with a different gender"):
        made(tmp_path, PEOPLE + "a/1.jpg,p1,0,,,\n")


def test_a_date_whose_order_nobody_stated_is_refused(tmp_path: Path) -> None:
    text = PEOPLE.replace("1970-06-01", "06/01/1970")
    with pytest.raises(TableError, match=r"line 2, column Born: is '06/01/1970' day or month first\? Give --dates"):
        made(tmp_path, text, ages=("age=Born,Taken",))
    text = text.replace("2004-05-31", "05/31/2004")
    assert made(tmp_path, text, ages=("age=Born,Taken",), dates="%m/%d/%Y")["age"][0] == "33"


def test_bytes_of_another_encoding_are_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="is not ascii"):
        made(tmp_path, PEOPLE.replace("p2", "José"), encoding="ascii")


# ---- the command ----


def test_the_command_writes_a_manifest_that_the_check_takes(tmp_path: Path) -> None:
    pictures(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg")
    words = [
        "--image",
        "File",
        "--subject",
        "Person",
        "--label",
        "gender=Sex",
        "--map",
        "gender:0=male,1=female",
        "--swatch",
        "monk=Skin",
    ]
    shown = CliRunner().invoke(app, ["manifest", "csv", str(table(tmp_path)), *words])
    assert shown.exit_code == 0, shown.output
    assert "3 images of 2 people, columns image, subject, gender, monk" in shown.output
    manifest = read_manifest(tmp_path / "manifest.csv")
    assert list(manifest.frame["gender"]) == ["female", "female", "male"]
    assert CliRunner().invoke(app, ["check", str(tmp_path / "manifest.csv")]).exit_code == 0


def test_hostile_cells_run_in_no_spreadsheet_and_name_the_same_files(tmp_path: Path) -> None:
    pictures(tmp_path, "=1+1.jpg", "@a.jpg")
    path = table(tmp_path, 'File,Group\n=1+1.jpg,"=HYPERLINK(""x"")"\n@a.jpg,+1\n')
    write_manifest("csv", path, None, own=OwnColumns(image="File", labels=("team=Group",)))
    cells = (tmp_path / "manifest.csv").read_text().replace("\n", ",").split(",")
    assert not [cell for cell in cells if cell.strip('"')[:1] in ("=", "+", "@", "-")]
    assert sorted(read_manifest(tmp_path / "manifest.csv").frame["path"]) == ["=1+1.jpg", "@a.jpg"]


def test_a_manifest_that_no_audit_could_read_is_not_left_behind(tmp_path: Path) -> None:
    path = table(tmp_path, "File,Person,x\na.jpg,p1,1\nb.jpg,p 1,2\nc.jpg,p  1,3\n")
    with pytest.raises(TableError, match="two spellings of one subject"):
        write_manifest("csv", path, None, subject="Person", own=OwnColumns(image="File"))
    assert not (tmp_path / "manifest.csv").exists()
    with pytest.raises(TableError, match=r"column fmr|facegap's tables use that name"):
        write_manifest("csv", path, None, own=OwnColumns(image="File", labels=("errors=x",)))
    assert not (tmp_path / "manifest.csv").exists()


def test_images_of_another_folder_are_found_by_the_root(tmp_path: Path) -> None:
    pictures(tmp_path / "images", "a/1.jpg", "a/2.jpg", "b/1.jpg")
    own = OwnColumns(image="File", root=tmp_path / "images")
    said = write_manifest("csv", table(tmp_path), tmp_path / "people.csv", own=own)[-1]
    assert said.endswith(f"--images-dir {tmp_path / 'images'}")
    assert len(read_manifest(tmp_path / "people.csv", images_dir=tmp_path / "images").frame) == 3
