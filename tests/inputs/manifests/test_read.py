"""A manifest is read with every row accounted for, or rejected with file, line, column and remedy."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import TableError
from facegap.inputs.manifests.read import Manifest, read_manifest
from facegap.inputs.records import MAX_CELL_CHARACTERS
from facegap.inputs.spelling import means_nothing, tidy


def write(folder: Path, text: str | bytes, name: str = "m.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(folder: Path, text: str | bytes, **settings: object) -> Manifest:
    return read_manifest(write(folder, text), **settings)  # type: ignore[arg-type]


def refused(folder: Path, text: str | bytes, **settings: object) -> str:
    with pytest.raises(TableError) as caught:
        read(folder, text, **settings)
    return str(caught.value)


def test_a_plain_manifest_by_hand(tmp_path: Path) -> None:
    manifest = read(tmp_path, "image,subject,gender,tone\na.jpg,Ann,F,II\nsub/b.jpg,Bob,male,\n")
    assert manifest.frame.to_dict("list") == {
        "row": [0, 1],
        "line": [2, 3],
        "image": ["a.jpg", "sub/b.jpg"],
        "path": ["a.jpg", "sub/b.jpg"],
        "subject": ["Ann", "Bob"],
        "gender": ["female", "male"],
        "tone": ["II", "unknown"],
    }
    assert manifest.labels == ("gender", "tone")
    assert manifest.has_subjects
    assert manifest.folder == tmp_path.resolve()
    assert manifest.warnings == ()
    assert len(manifest.sha256) == 64


def test_without_subjects_each_image_is_its_own_person(tmp_path: Path) -> None:
    manifest = read(tmp_path, "image\na.jpg\nb.jpg\n")
    assert not manifest.has_subjects
    assert manifest.frame["subject"].tolist() == ["a.jpg", "b.jpg"]


def test_one_row_is_enough(tmp_path: Path) -> None:
    assert len(read(tmp_path, "image\na.jpg").frame) == 1


def test_quoted_newlines_do_not_shift_the_lines(tmp_path: Path) -> None:
    manifest = read(tmp_path, 'image,note\na.jpg,"one\ntwo\nthree"\nb.jpg,x\n')
    assert manifest.frame["line"].tolist() == [2, 5]
    assert manifest.frame["note"].tolist() == ["one two three", "x"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_and_blank_lines_are_read(tmp_path: Path, end: str) -> None:
    manifest = read(tmp_path, end.join(["image,gender", "a.jpg,f", "", "b.jpg,m", ""]))
    assert manifest.frame["line"].tolist() == [2, 4]
    assert manifest.frame["row"].tolist() == [0, 1]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfimage,gender\na.jpg,f\n").labels == ("gender",)


def test_column_names_lose_their_outer_blanks(tmp_path: Path) -> None:
    assert read(tmp_path, "image, gender \na.jpg,f\n").labels == ("gender",)


def test_the_condition_leaves_rows_out_and_counts_them(tmp_path: Path) -> None:
    manifest = read(tmp_path, "image,gender\na.jpg,f\nb.jpg,m\nc.jpg,f\n", where="gender == 'f'")
    assert manifest.excluded == 1
    assert manifest.frame["row"].tolist() == [0, 2]
    assert manifest.frame["line"].tolist() == [2, 4]


def test_rows_left_out_may_repeat_a_path(tmp_path: Path) -> None:
    manifest = read(tmp_path, "image,take\na.jpg,1\na.jpg,2\n", where="take == 1")
    assert len(manifest.frame) == 1


def test_an_image_that_is_not_there_is_no_error_here(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert len(read(tmp_path, "image\na.jpg\nlost.jpg\nno/folder.jpg\n").frame) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "m.csv line 1: the file is empty"),
        (b"\xef\xbb\xbf", "m.csv line 1: the file is empty"),
        ("\n\n", "m.csv line 1: the file is empty"),
        ("image,gender\n", "m.csv line 1: a header and no rows; add one row per image"),
        ("file,gender\na.jpg,f\n", "m.csv line 1: no column image; rename file to image"),
        ("Image,gender\na.jpg,f\n", "rename Image to image"),
        ("imag,gender\na.jpg,f\n", "rename imag to image"),
        (
            "foo,bar\n1,2\n",
            "no column image; add it (found: foo, bar); `facegap manifest csv` makes a manifest of a table",
        ),
        (
            "image;gender\na.jpg;f\n",
            "separated by semicolons; save the file with commas (`facegap manifest csv` also reads a table with --separator ';'",
        ),
        ("image\tgender\na.jpg\tf\n", "separated by tabs"),
        (
            "image,gender,gender\na.jpg,f,f\n",
            "m.csv line 1, column gender: the name occurs more than once; rename or remove one",
        ),
        ("image,gender, gender\na.jpg,f,f\n", "the name occurs more than once; rename or remove one"),
        ("image,\na.jpg,f\n", "line 1, column 2: no name"),
        ("image,threshold\na.jpg,f\n", "line 1, column threshold: facegap's tables use that name; rename it to my_"),
        ("image,other_gender\na.jpg,f\n", "column other_gender: facegap's tables use that name"),
        ("image,path\na.jpg,f\n", "column path: facegap's tables use that name"),
        ("image,gender\na.jpg,any\n", "m.csv line 2, column gender: 'any' is reserved; use another label"),
        ("image,subject\na.jpg,S\nb.jpg,\n", "m.csv line 3, column subject: empty; name the person"),
        ("image,gender\na.jpg,f\n,m\n", "m.csv line 3, column image: empty; name the image file"),
        ("image,gender\na.jpg,f,x\n", "line 2, column gender: 3 cells where the header has 2; put quotes"),
        ("image,gender,tone\na.jpg,f\n", "line 2, column tone: 2 cells where the header has 3; fill in"),
        ('image,note\na.jpg,"x\ny"\nb.jpg,1,2\n', "m.csv line 4, column note: 3 cells"),
        ('image,note\na.jpg,1\nb.jpg,"never closed\nc.jpg,2\n', 'm.csv line 3: a quote (") opens here'),
        ('image,note\na.jpg,"x"y\n', "m.csv line 2: "),
        ("image\na.jpg\nb.jpg\na.jpg\n", "m.csv line 4, column image: 'a.jpg' is the same file as in line 2"),
        (
            "image\na.jpg\nb/../a.jpg\n",
            "line 3, column image: 'b/../a.jpg' is the same file as in line 2 (there 'a.jpg')",
        ),
        ("image\na.jpg\n./a.jpg\n", "'./a.jpg' is the same file as in line 2"),
        ("image\n../a.jpg\n", "line 2, column image: '../a.jpg' lies outside; move it into the manifest's folder, or"),
        ("image\nb/../../a.jpg\n", "lies outside"),
        ("image\n/etc/passwd\n", "'/etc/passwd' is absolute; write it relative to the manifest's folder, or"),
        ("image\nC:/a.jpg\n", "is absolute"),
        ("image\nhttps://example.org/a.jpg\n", "is a URL; facegap reads files only"),
        ("image\nsub\\a.jpg\n", "contains a backslash; separate folders with /"),
        ("image\nsub/\n", "names a folder"),
        ("image\n..\n", "names a folder"),
        ("image\n a.jpg\n", "begins or ends with white space"),
        ('image\n"a\n.jpg"\n', "line 2, column image: 'a\\n.jpg' contains a control character; rename the file"),
        ("image\na\x1b.jpg\n", "contains a control character; rename the file"),
        (b"image\na\0.jpg\n", "m.csv line 2: contains a NUL byte; remove it"),
        ("image,gender\na.jpg,f\n".encode("utf-16"), "line 1: the file is UTF-16 text; save it as UTF-8"),
        ("image,gender\na.jpg,f\n".encode("utf-16-le"), "line 1: the file is UTF-16 text; save it as UTF-8"),
        ("image,subject\na.jpg,Ann\nb.jpg,André\n".encode("latin-1"), "m.csv line 3, column 2: byte 0xe9 is not UTF-8"),
        ("image;Büro\na.jpg;x\n".encode("cp1252"), "m.csv line 1, column 2: byte 0xfc is not UTF-8"),
        (b"PK\x03\x04rest", "a ZIP file (a spreadsheet?); save it as CSV"),
        (b"\x1f\x8brest", "compressed with gzip; unpack it"),
        (b"PAR1 nonsense PAR1", "m.csv: damaged parquet file"),
    ],
)
def test_what_cannot_be_used_is_refused_with_place_and_cure(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refused(tmp_path, text)


@pytest.mark.parametrize("length", [MAX_CELL_CHARACTERS + 1, 200_000])
def test_an_absurdly_long_cell_is_refused(tmp_path: Path, length: int) -> None:
    said = refused(tmp_path, f"image,note\na.jpg,x\nb.jpg,{'y' * length}\n")
    assert said.startswith("m.csv line 3")
    assert "shorten it" in said


def test_a_file_beyond_the_bound_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    with path.open("wb") as file:
        file.truncate(600 * 2**20)  # sparse: takes no space
    tracemalloc.start()
    with pytest.raises(TableError, match="split the table"):
        read_manifest(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_path_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no such file"):
        read_manifest(tmp_path / "m.csv")
    with pytest.raises(TableError, match="is a folder"):
        read_manifest(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TableError, match="not a regular file"):
        read_manifest(tmp_path / "pipe")


def test_a_condition_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    assert "none of 1 rows satisfies --where gender == 'm'" in refused(
        tmp_path, "image,gender\na.jpg,f\n", where="gender == 'm'"
    )


def test_upper_and_lower_case_are_two_files(tmp_path: Path) -> None:
    assert len(read(tmp_path, "image\na.jpg\nA.jpg\n").frame) == 2


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder `set` for the manifest, next to a file that the manifest must not reach."""
    (tmp_path / "set").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return tmp_path / "set"


def test_a_link_that_leaves_the_folder_is_refused_unless_allowed(beside: Path) -> None:
    (beside / "a.jpg").symlink_to("../secret.jpg")
    (beside / "up").symlink_to("..")
    for image in ("a.jpg", "up/secret.jpg"):
        assert "lies outside" in refused(beside, f"image\n{image}\n")
        manifest = read(beside, f"image\n{image}\n", allow_outside=True)
        assert (manifest.folder / manifest.frame["path"].iloc[0]).read_bytes() == b"secret"


def test_outside_paths_are_read_where_they_are_allowed(beside: Path) -> None:
    absolute = (beside.parent / "secret.jpg").as_posix()
    manifest = read(beside, f"image\n{absolute}\n", allow_outside=True)
    assert manifest.frame["path"].tolist() == ["../secret.jpg"]
    assert manifest.frame["image"].tolist() == [absolute]


def test_a_link_inside_the_folder_is_the_file_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert "'b.jpg' is the same file as in line 2" in refused(tmp_path, "image\na.jpg\nb.jpg\n")


def test_links_in_a_circle_are_missing_files(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("b.jpg")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert len(read(tmp_path, "image\na.jpg\n").frame) == 1


def test_a_folder_of_a_similar_name_is_outside(beside: Path) -> None:
    (beside.parent / "set2").mkdir()
    assert "lies outside" in refused(beside, "image\n../set2/a.jpg\n")


def photographs(folder: Path, **contents: bytes) -> None:
    for name, content in contents.items():
        (folder / f"{name}.jpg").write_bytes(content)


def test_identical_bytes_under_two_subjects_are_warned_of_with_both(tmp_path: Path) -> None:
    photographs(tmp_path, a=b"x" * 900, b=b"x" * 900, c=b"y" * 900)
    manifest = read(tmp_path, "image,subject\na.jpg,Ann\nb.jpg,Bob\nc.jpg,Cy\n")
    warning = "'a.jpg' (Ann) and 'b.jpg' (Bob) have the same bytes under two subjects; correct one of them"
    assert manifest.warnings == (f"lines 2 and 3, column subject: {warning}",)


def test_identical_bytes_under_one_subject_are_counted(tmp_path: Path) -> None:
    photographs(tmp_path, a=b"x", b=b"x", c=b"x", d=b"y")
    manifest = read(tmp_path, "image,subject\na.jpg,Ann\nb.jpg,Ann\nc.jpg,Ann\nd.jpg,Ann\n")
    assert manifest.warnings == (
        "2 images have the same bytes as another (a.jpg = b.jpg = c.jpg); keep each photograph once",
    )


def test_one_repeated_photograph_is_singular(tmp_path: Path) -> None:
    photographs(tmp_path, a=b"x", b=b"x")
    manifest = read(tmp_path, "image,subject\na.jpg,Ann\nb.jpg,Ann\n")
    assert manifest.warnings == ("1 image has the same bytes as another (a.jpg = b.jpg); keep each photograph once",)


def test_files_that_differ_in_one_byte_are_two_photographs(tmp_path: Path) -> None:
    # The same size and the same middle: only the whole files differ.
    photographs(tmp_path, a=b"x" * 5000, b=b"x" * 4999 + b"y", c=b"", d=b"")
    assert read(tmp_path, "image,subject\na.jpg,1\nb.jpg,2\nc.jpg,3\nd.jpg,4\nlost.jpg,5\nlost2.jpg,6\n").warnings == ()


def test_where_few_files_may_be_compared_whole_sizes_are_taken_and_a_sentence_says_so(tmp_path: Path) -> None:
    photographs(tmp_path, **{f"p{k}{kind}": bytes([k]) * (k + 1) for k in range(20) for kind in "ab"})
    names = [f"p{k}{kind}" for k in range(20) for kind in "ab"]
    path = write(tmp_path, "image,subject\n" + "".join(f"{name}.jpg,{name}\n" for name in names))
    every = read_manifest(path, most_compared=40).warnings
    assert len(every) == 11 and every == read_manifest(path).warnings  # ten named, the others counted
    some = read_manifest(path, most_compared=9).warnings
    assert some[-1].startswith("duplicates were sought among 8 of 40 files")
    assert len(some) == 5 and some == read_manifest(path, most_compared=9).warnings


def test_only_files_of_equal_size_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photographs(tmp_path, a=b"x", b=b"xx", c=b"xxx")
    path = write(tmp_path, "image\na.jpg\nb.jpg\nc.jpg\n")
    opened: list[Path] = []
    original = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: (opened.append(self), original(self, *a, **k))[1])
    read_manifest(path)
    assert [each for each in opened if each.suffix == ".jpg"] == []


def test_a_subject_of_two_genders_is_told(tmp_path: Path) -> None:
    manifest = read(tmp_path, "image,subject,gender\na.jpg,Cy,f\nb.jpg,Cy,m\nc.jpg,Di,f\nd.jpg,Di,\n")
    assert manifest.warnings == (
        "column gender: 1 subject has more than one gender; each image counts under its own label",
    )


def parquet(folder: Path, frame: pd.DataFrame) -> Path:
    frame.to_parquet(folder / "m.parquet")
    return folder / "m.parquet"


def test_parquet_is_read_as_the_same_table(tmp_path: Path) -> None:
    frame = pd.DataFrame({"image": ["a.jpg", "b.jpg"], "gender": ["m", None], "age": [34, 35]})
    frame = frame.assign(score=[1.5, None], test=[True, False])
    manifest = read_manifest(parquet(tmp_path, frame))
    assert manifest.frame["gender"].tolist() == ["male", "unknown"]
    assert manifest.frame["age"].tolist() == ["34", "35"]
    assert manifest.frame["score"].tolist() == ["1.5", "unknown"]
    assert manifest.frame["test"].tolist() == ["True", "False"]
    assert manifest.frame["line"].tolist() == [1, 2]


def test_parquet_is_told_by_its_content_and_named_by_record(tmp_path: Path) -> None:
    path = parquet(tmp_path, pd.DataFrame({"image": ["a.jpg", "../b.jpg"]}))
    path = path.rename(tmp_path / "m.csv")
    with pytest.raises(TableError, match=r"m\.csv record 2, column image: '\.\./b\.jpg' lies outside"):
        read_manifest(path)


def test_a_csv_named_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="not a parquet file"):
        read_manifest(write(tmp_path, "image\na.jpg\n", "m.parquet"))


def test_lists_in_parquet_are_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path, pd.DataFrame({"image": ["a.jpg"], "box": [[1, 2]]}))
    with pytest.raises(TableError, match="column box, record 1: a ndarray where text"):
        read_manifest(path)


cells = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from('",\n'), max_size=12)


@given(st.lists(cells, min_size=1, max_size=12))
def test_labels_survive_the_way_through_csv_but_for_white_space(
    tmp_path_factory: pytest.TempPathFactory, notes: list[str]
) -> None:
    notes = [note for note in notes if note.strip().lower() != "any"] or ["x"]
    folder = tmp_path_factory.mktemp("set")
    frame = pd.DataFrame({"image": [f"{index}.jpg" for index in range(len(notes))], "note": notes})
    frame.to_csv(folder / "m.csv", index=False)
    manifest = read_manifest(folder / "m.csv")
    plain = [tidy(note) for note in notes]
    expected = ["unknown" if n.lower() in ("", "unknown") or means_nothing(n, beside=plain) else n for n in plain]
    assert manifest.frame["note"].tolist() == expected
    lines = (folder / "m.csv").read_text().split("\n")
    for line, image in zip(manifest.frame["line"], manifest.frame["image"], strict=True):
        assert lines[line - 1].startswith(image)


@given(st.binary(max_size=60))
def test_no_bytes_ever_crash_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("set") / "m.csv"
    path.write_bytes(b"image,gender\n" + content)
    try:
        assert len(read_manifest(path).frame) >= 1
    except TableError as error:
        assert "m.csv" in str(error)


def test_reading_manifests_loads_neither_opencv_nor_onnxruntime() -> None:
    code = "import facegap.inputs.manifests.read, sys; print([m for m in ('cv2', 'onnxruntime') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_hundred_thousand_rows_are_read_in_seconds(tmp_path: Path) -> None:
    rows = "".join(f"d{i % 50}/{i}.jpg,s{i // 2},{'mf'[i % 2]},{i % 90}\n" for i in range(100_000))
    manifest = read(tmp_path, "image,subject,gender,age\n" + rows, where="age >= 20")
    assert len(manifest.frame) + manifest.excluded == 100_000


@pytest.mark.real
def test_the_legislators_are_read_whole(test_data: Path) -> None:
    manifest = read_manifest(test_data / "data/congress/members.csv", where="snapshot == 2015")
    assert manifest.frame["gender"].value_counts().to_dict() == {"male": 722, "female": 157}
    assert manifest.warnings == ()


@pytest.mark.real
def test_the_adults_of_fairface_are_read_whole(test_data: Path) -> None:
    where = "age not in ('0-2', '3-9', '10-19')"
    manifest = read_manifest(test_data / "data/fairface_val/labels.csv", where=where)
    assert len(manifest.frame) == 3739
    assert manifest.excluded == 1261
