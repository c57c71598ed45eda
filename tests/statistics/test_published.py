"""The published table of Gender Shades, its impossible cells and the people reconstructed from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import StatisticsError
from facegap.statistics import impossible_cells, largest_size, possible_counts, rebuild_people, subgroup_errors
from facegap.statistics.published import COLUMNS, GROUP_SIZES, PRINTED, SUBGROUPS, people_with_errors


def test_group_sizes_add_up_and_give_the_published_shares():
    sizes = GROUP_SIZES
    assert sum(sizes[column] for column in SUBGROUPS) == sizes["All"] == 1270
    assert (sizes["DF"] + sizes["LF"], sizes["DM"] + sizes["LM"]) == (sizes["F"], sizes["M"])
    assert (sizes["DF"] + sizes["DM"], sizes["LF"] + sizes["LM"]) == (sizes["Darker"], sizes["Lighter"])
    shares = {"F": 44.6, "M": 55.4, "Darker": 46.4, "Lighter": 53.6, "DF": 21.3, "DM": 25.0, "LF": 23.3, "LM": 30.3}
    for column, share in shares.items():
        assert sizes[column] in possible_counts(share, 1270)[0].counts


def test_ten_people_can_print_ten_per_cent_but_not_fifteen():
    possible, impossible = possible_counts([10.0, 15.0], 10)
    assert (possible.counts, possible.possible) == ((1,), True)
    assert (impossible.counts, impossible.possible) == ((), False)
    assert impossible.nearest == 1


def test_a_half_may_have_been_rounded_either_way():
    assert possible_counts(12.5, 16, decimals=1)[0].counts == (2,)
    assert (
        possible_counts([12.0, 13.0], 8, decimals=0)[0].counts == possible_counts(13.0, 8, decimals=0)[0].counts == (1,)
    )


@given(st.integers(1, 3000).flatmap(lambda size: st.tuples(st.integers(0, size), st.just(size))))
def test_a_share_that_was_printed_from_a_count_allows_that_count(pair):
    count, size = pair
    found = possible_counts(round(100 * count / size, 1), size)[0]
    assert count in found.counts
    assert all(0 <= k <= size for k in found.counts)


@pytest.mark.parametrize(("share", "size"), [(-1, 10), (101, 10), (np.nan, 10), (50, 0)])
def test_shares_and_sizes_off_their_scale_are_refused(share, size):
    with pytest.raises(
        StatisticsError, match="proportions must be percentages from 0 to 100, and sizes whole numbers of at least 1"
    ):
        possible_counts(share, size)


def test_six_printed_cells_are_no_whole_number():
    found = {(cell.vendor, cell.column): cell.nearest for cell in impossible_cells()}
    assert found == {
        ("Microsoft", "F"): 61,
        ("Microsoft", "DF"): 56,
        ("Face++", "DF"): 93,
        ("Face++", "DM"): 2,
        ("IBM", "M"): 39,
        ("IBM", "DM"): 38,
    }


def test_counts_closest_to_print():
    assert subgroup_errors("Microsoft") == {"DF": 56, "DM": 19, "LF": 5, "LM": 0}
    assert subgroup_errors("Face++") == {"DF": 93, "DM": 2, "LF": 29, "LM": 3}
    assert subgroup_errors("IBM") == {"DF": 94, "DM": 38, "LF": 21, "LM": 1}
    with pytest.raises(StatisticsError, match="no vendor"):
        subgroup_errors("Kairos")


def test_rebuilt_people_are_those_of_the_table():
    people = rebuild_people("IBM")
    assert len(people.gender) == 1270
    darker_women = (people.tone == "darker") & (people.gender == "female")
    assert darker_women.sum() == 271
    assert (people.prediction[darker_women] == "male").sum() == 94


@pytest.mark.parametrize(("vendor", "points"), [("Microsoft", 13), ("Face++", 33), ("IBM", 17)])
def test_read_by_its_usual_name_the_ppv_of_darker_women_is_not_the_printed_one(vendor, points):
    people = rebuild_people(vendor)
    called_female = (people.prediction == "female") & (people.tone == "darker")
    precision = 100 * (people.gender[called_female] == "female").mean()
    printed = PRINTED[vendor]["PPV"][COLUMNS.index("DF")]
    assert abs(precision - printed) == pytest.approx(points, abs=0.5)


@pytest.mark.parametrize(
    ("share", "size", "decimals", "most"),
    [(1.52, 271, 2, 264), (33.3, 10, 1, 9), (50.0, 10, 1, 10), (0.0, 7, 1, 7), (15.0, 10, 1, 0)],
)
def test_the_most_people_that_a_share_can_be_of(share, size, decimals, most):
    assert largest_size(share, size, decimals=decimals) == most
    fits = [n for n in range(1, size + 1) if any(abs(100 * k / n - share) <= 0.5 / 10**decimals for k in range(n + 1))]
    assert max(fits, default=0) == most


@pytest.mark.parametrize("wrong", [{"DF": 272, "DM": 0, "LF": 0, "LM": 0}, {"DF": 1}, {"DF": -1, "DM": 0}])
def test_people_with_errors_that_the_groups_cannot_have_are_refused(wrong):
    with pytest.raises(StatisticsError, match="needs a number of errors from 0"):
        people_with_errors(wrong)
