"""Qualities from a file: the column that is read, errors, and the matching of rows to images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facegap.errors import TableError
from facegap.inputs import records
from facegap.inputs.qualities import GivenQualities, match_qualities, read_qualities

# As OFIQSampleApp writes it: only the header ends with a semicolon.
OFIQ = (
    "Filename;UnifiedQualityScore;Sharpness;UnifiedQualityScore.scalar;Sharpness.scalar;assessment_time_in_ms;\n"
    "/data/a/1.png;26.449306;49;79;100;310\n"
    "/data/a/2.png;0;47;-1;88;290\n"
    "/data/b/1.png;17.191828;0;10;-1;302\n"
)


def put(folder: Path, text: str, name: str = "q.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def given(*images: str) -> GivenQualities:
    return GivenQualities("q.csv", "", "line", "table", "q", images, range(2, 99), np.arange(len(images), dtype=float))


# ---- reading ----


def test_the_csv_of_ofiq_is_read_by_its_header_and_a_failed_measure_is_no_quality(tmp_path: Path) -> None:
    path = put(tmp_path, OFIQ)
    found = read_qualities(path)
    assert (found.layout, found.column, list(found.lines)) == ("OFIQ", "UnifiedQualityScore.scalar", [2, 3, 4])
    assert list(found.images) == ["/data/a/1.png", "/data/a/2.png", "/data/b/1.png"]
    assert found.values.tolist() == pytest.approx([79, np.nan, 10], nan_ok=True)
    for name in ("Sharpness", "Sharpness.scalar"):  # never the raw value, whose direction differs by measure
        assert read_qualities(path, name).values.tolist() == pytest.approx([100, 88, np.nan], nan_ok=True)


@pytest.mark.parametrize("ends", [("", ""), (";", ";")])
def test_every_line_of_ofiq_may_end_in_a_semicolon_or_none(tmp_path: Path, ends: tuple[str, str]) -> None:
    head, *rows = OFIQ.splitlines()
    text = "\n".join([head.removesuffix(";") + ends[0], *(row + ends[1] for row in rows)])
    assert read_qualities(put(tmp_path, "\ufeff" + text.replace("/", "\\"))).images[0] == "/data/a/1.png"


def test_a_table_of_ofiq_with_commas_or_in_parquet_has_its_failures_too(tmp_path: Path) -> None:
    frame = pd.DataFrame({"Filename": ["a", "b"], "UnifiedQualityScore.scalar": [-1, 30]})
    frame.to_csv(tmp_path / "q.csv", index=False)
    frame.to_parquet(tmp_path / "q.parquet")
    for name in ("q.csv", "q.parquet"):
        assert read_qualities(tmp_path / name).values.tolist() == pytest.approx([np.nan, 30], nan_ok=True)


def test_the_column_is_the_one_that_is_named_or_the_only_one_or_quality(tmp_path: Path) -> None:
    alone = put(tmp_path, "image,cr\na,-1\nb,\nc,2.5\n", "alone.csv")
    assert read_qualities(alone).values.tolist() == pytest.approx([-1, np.nan, 2.5], nan_ok=True)  # -1 is a number here
    several = put(tmp_path, "image,a,quality\nx,1,2\n")
    assert [read_qualities(several, name).values[0] for name in (None, "a", "quality")] == [2, 1, 2]


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("file,q\na,1\n", None, r"q\.csv line 1: column image is missing; .*found: file, q"),
        ("image\na\n", None, "line 1: no column beside image"),
        ("image,a,b\nx,1,2\n", None, r"line 1: several columns \(a, b\); .*--quality-column"),
        ("image,sharp,b\nx,1,2\n", "shrap", "line 1: no column shrap; did you mean sharp"),
        (OFIQ, "sharpnes", r"line 1: no column sharpnes\.scalar; did you mean Sharpness"),
        ("image,q\n", None, "a header and no rows"),
        ("image,q\na,1\n\nb,good\n", None, "line 4, column q: 'good' is not a finite number"),
        ("image,q\na,inf\n", None, "line 2, column q: 'inf' is not a finite number"),
        ("image,q\na,1_0\n", None, "line 2, column q: '1_0' is not"),
        ("image,q\na,1\n ,2\n", None, "line 3, column image: empty"),
        ("image,q\na,1\nb,2\n./a,3\n", None, "line 4, column image: './a' repeats line 2"),
        ("image;q\na;1\n", None, "separated by semicolons; save the file with commas"),
        (
            OFIQ.replace(";79;", ";101;"),
            None,
            r"line 2, column UnifiedQualityScore\.scalar: '101' is not an OFIQ scalar",
        ),
        (OFIQ.replace(";290\n", "\n"), None, r"line 3, column assessment_time_in_ms: 5 cells where the header has 6"),
    ],
)
def test_what_cannot_be_read_is_told_with_file_line_and_column(
    tmp_path: Path, text: str, column: str | None, said: str
) -> None:
    with pytest.raises(TableError, match=said):
        read_qualities(put(tmp_path, text), column)


def test_a_folder_and_a_file_beyond_the_bound_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TableError, match="is a folder"):
        read_qualities(tmp_path)
    monkeypatch.setattr(records, "MAX_FILE_BYTES", 10)
    with pytest.raises(TableError, match="bytes, more than the limit of 10"):
        read_qualities(put(tmp_path, OFIQ))


# ---- matching of rows to images ----


@pytest.mark.parametrize(
    ("rows", "images", "values"),
    [
        (("b.png", "a.png"), ("a.png", "./b.png"), [1, 0]),  # as given
        (("/x/val/1.png", "/x/train/1.png"), ("train/1.png", "val/1.png"), [1, 0]),  # paths that end in the name
        (("/x/1.png", "/x/a/1.png"), ("1.png", "a/1.png"), [0, 1]),  # the longer path is matched first
        (("/x/a/1.png",), ("1.png", "a/1.png"), [None, 0]),
        (("flat/1.png", "flat/2.png"), ("a/1.png", "b/2.png"), [0, 1]),  # by file name alone
        (("a/1.png", "b/2.png"), ("a/1.png", "c/2.png"), [0, None]),  # never, if a path is in the manifest
    ],
)
def test_an_image_is_found_by_its_path_or_by_an_unambiguous_file_name(
    rows: tuple[str, ...], images: tuple[str, ...], values: list[int | None]
) -> None:
    found = match_qualities(given(*rows), images, "people.csv")
    assert found.values.tolist() == pytest.approx([np.nan if v is None else v for v in values], nan_ok=True)
    assert found.has_row.tolist() == [value is not None for value in values]
    assert found.unused == len(rows) - sum(value is not None for value in values)
    assert found.by_name == (rows[0] == "flat/1.png")


@pytest.mark.parametrize(
    ("rows", "images", "left_out", "said"),
    [
        (
            ("/x/1.png", "/y/1.png"),
            ("1.png",),
            (),
            "line 3: '/y/1.png' may be '1.png' of the manifest, and so may '/x/1.png'",
        ),
        (("z/1.png", "y/1.png"), ("a/1.png",), (), "line 3: 'y/1.png' may be 'a/1.png'"),
        (("z/1.png",), ("a/1.png", "b/1.png"), (), "line 2: 'z/1.png' may be 'a/1.png' or 'b/1.png' of the manifest"),
        (("z/1.png",), ("a/1.png",), ("b/1.png",), "line 2: 'z/1.png' may be 'a/1.png' or 'b/1.png' of the manifest"),
        (("c.png",), ("a.png",), (), r"no quality for any image of people\.csv; .*'a\.png', not 'c\.png'"),
    ],
)
def test_an_ambiguous_row_and_a_file_of_other_images_are_refused(
    rows: tuple[str, ...], images: tuple[str, ...], left_out: tuple[str, ...], said: str
) -> None:
    with pytest.raises(TableError, match=said):
        match_qualities(given(*rows), images, "people.csv", left_out)


def test_a_row_of_an_image_that_the_condition_left_out_is_no_other_images(tmp_path: Path) -> None:
    found = match_qualities(given("a/1.png", "2.png"), ("1.png", "2.png"), "people.csv", ("a/1.png",))
    assert found.values.tolist() == pytest.approx([np.nan, 1], nan_ok=True)
    assert found.unused == 0
    none = GivenQualities("q.csv", "", "line", "table", "q", ("a",), (2,), np.array([np.nan]))
    with pytest.raises(TableError, match="column q: no number for any image of people"):
        match_qualities(none, ("a",), "people.csv")
