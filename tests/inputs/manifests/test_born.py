"""Ages computed from years of birth and of photographs, and ages relative to a limit."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from facegap.errors import TableError
from facegap.inputs.manifests.born import age_label, with_ages
from facegap.inputs.manifests.labels import age_estimate, side_of_limit, signed_age_distance
from facegap.inputs.manifests.read import Manifest, read_manifest

HEAD = "image,subject,birth_year,photo_year\n"


def table(folder: Path, text: str) -> Manifest:
    (folder / "people.csv").write_text(text, encoding="utf-8")
    return read_manifest(folder / "people.csv")


def test_a_year_of_birth_gives_two_years_of_age(tmp_path: Path) -> None:
    found = with_ages(
        table(tmp_path, HEAD + "a.jpg,a,1997,2015\nb.jpg,b,2015,2015-03-02\nc.jpg,c,,2015\nd.jpg,d,1950.0,2015\n")
    )
    assert found.frame["age"].tolist() == ["17-18", "0-0", "unknown", "64-65"]
    assert found.labels == ("birth_year", "photo_year", "age")
    assert "1 of 4 rows lack one of the two" in found.warnings[-1]


def test_columns_are_named_and_an_age_that_is_there_is_kept(tmp_path: Path) -> None:
    other = table(tmp_path, "image,born,snapshot\na.jpg,1970,2024\n")
    assert "age" not in with_ages(other).frame.columns
    assert with_ages(other, ("born", "snapshot")).frame["age"].tolist() == ["53-54"]
    stated = table(tmp_path, "image,age,birth_year,photo_year\na.jpg,44,1970,2024\n")
    assert with_ages(stated).frame["age"].tolist() == ["44"]
    with pytest.raises(TableError, match="already has a column age; omit the option, or rename that column"):
        with_ages(stated, ("birth_year", "photo_year"))
    with pytest.raises(TableError, match="has no column birth"):
        with_ages(other, ("birth", "snapshot"))


@pytest.mark.parametrize(
    ("born", "taken", "said"),
    [
        ("97", "2015", "column birth_year: '97' is not a year"),
        ("nineteen", "2015", "column birth_year"),
        ("2015", "1997", "photographed in 1997, before the birth in 2015"),
        ("1800", "2015", "215 years after the birth"),
        ("1997", "2015\u0660", "column photo_year"),
        ("1997", "20150101", "column photo_year"),
    ],
)
def test_what_is_no_year_is_refused_by_line(born: str, taken: str, said: str) -> None:
    with pytest.raises(TableError, match=said) as error:
        age_label(born, taken, "people.csv line 7", ("birth_year", "photo_year"))
    assert "people.csv line 7" in str(error.value)


@pytest.mark.parametrize(
    ("label", "limit", "side"),
    [
        ("17", 18, "under"),
        ("17.99", 18, "under"),
        ("18", 18, "from"),
        ("0-17", 18, "under"),
        ("15-18", 18, "straddles"),
        ("17-18", 18, "straddles"),
        ("10-19", 18, "straddles"),
        ("18-24", 18, "from"),
        ("under 18", 18, "under"),
        ("Less than  18", 18, "under"),
        ("<18", 18, "under"),
        ("<=18", 18, "straddles"),
        ("under 21", 18, "straddles"),
        ("18+", 18, "from"),
        ("over 16", 18, "straddles"),
        ("more than 70", 18, "from"),
        ("20", 21, "under"),
        ("unknown", 18, None),
        ("adult", 18, None),
        ("1997", 18, None),
    ],
)
def test_a_label_is_under_a_limit_from_it_up_on_both_sides_or_no_age(label: str, limit: int, side: str | None) -> None:
    assert side_of_limit(label, float(limit)) == side


def test_a_signed_error_is_beyond_the_nearest_end() -> None:
    assert [signed_age_distance(age, "20-29") for age in (18.5, 20.0, 29.0, 31.0)] == [-1.5, 0.0, 0.0, 2.0]
    assert signed_age_distance(80.0, "70+") == 0.0
    assert math.isnan(signed_age_distance(80.0, "old")) and math.isnan(signed_age_distance(math.nan, "70"))


def test_an_estimate_may_be_a_range() -> None:
    assert age_estimate("25-32") == (28.5, 25.0)
    assert age_estimate("70+") == (70.0, 70.0)
    assert age_estimate("31")[0] == 31.0 and math.isnan(age_estimate("31")[1])  # type: ignore[index]
    assert age_estimate("young") is None and age_estimate("30-20") is None
