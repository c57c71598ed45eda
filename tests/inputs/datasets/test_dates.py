"""Ages between two dates."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.inputs.datasets.dates import AMERICAN, years_between


@pytest.mark.parametrize(
    ("born", "taken", "years"),
    [
        ("1970-06-01", "2004-05-31", "33"),
        ("1970-06-01", "2004-06-01", "34"),
        ("31.12.1970", "2004-01-01 12:30:00", "33"),
        ("1970-06-01T00:00:00", "20040601", "34"),
        ("1970", "2004", "33-34"),
        ("1970.0", "2004-06-01", "33-34"),
        ("2004-06-01", "1970-06-01", ""),
        ("1700-06-01", "2004-06-01", ""),
        ("", "2004-06-01", ""),
        ("NULL", "2004-06-01", ""),
        ("03/04/1970", "03/04/2004", ""),  # day or month first: unknown
        ("1970-02-30", "2004-06-01", ""),
    ],
)
def test_ages_by_hand(born: str, taken: str, years: str) -> None:
    assert years_between(born, taken) == years


def test_an_order_that_was_stated_is_used() -> None:
    assert years_between("12/31/1970", "01/01/2004", form=AMERICAN) == "33"
    assert years_between("31/12/1970", "01/01/2004", form="%d/%m/%Y") == "33"


@given(st.dates(date(1900, 1, 1), date(2000, 1, 1)), st.integers(0, 100), st.integers(0, 364))
def test_an_age_grows_by_one_at_each_birthday(born: date, years: int, days: int) -> None:
    if (born.month, born.day) == (2, 29):
        born = born + timedelta(days=1)
    birthday = born.replace(year=born.year + years)
    assert years_between(born.isoformat(), (birthday + timedelta(days=days)).isoformat()) == str(years)
