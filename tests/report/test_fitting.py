"""Tables of a terminal: whole words at every width, as a grid or as blocks."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from facegap.report.fitting import distributed, fitted, widths_within, without, wrapped
from facegap.report.tables import TextTable

GAPS = TextTable(
    "gaps",
    ("groups", "gap", "verdict"),
    (("women against men", "16.4 points [14.2, 18.6]", "gap larger than 2 points"), ("north", "", "not enough data")),
)


def printed(table: TextTable, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(fitted(table, width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_table_that_fits_is_a_grid_with_one_line_for_each_row() -> None:
    assert printed(GAPS, 80) == [
        "gaps",
        "groups                                  gap  verdict",
        "─" * 69,
        "women against men  16.4 points [14.2, 18.6]  gap larger than 2 points",
        "north                                        not enough data",
    ]


def test_a_narrower_one_breaks_its_lines_at_blanks_and_in_no_interval() -> None:
    shown = printed(GAPS, 50)
    assert max(map(len, shown)) <= 50
    assert any("[14.2, 18.6]" in line for line in shown)
    assert "women" in " ".join(shown) and "women against" in " ".join(shown)


def test_where_a_grid_would_break_words_each_row_is_a_block_without_what_it_lacks() -> None:
    assert printed(GAPS, 30) == [
        "gaps",
        "women against men",
        "  gap      16.4 points [14.2,",
        "           18.6]",
        "  verdict  gap larger than 2",
        "           points",
        "north",
        "  verdict  not enough data",
    ]


def test_a_table_with_essential_columns_drops_the_others_and_says_so() -> None:
    long = "a licence that takes very many words to say what may be done with it and what may not be done with it"
    models = TextTable("cards", ("card", "task", "licence"), (("yunet", "detect", long),), essential=("card", "task"))
    assert printed(models, 30) == [
        "cards",
        "card   task",
        "─────────────",
        "yunet  detect",
        "A wider terminal also shows:",
        "licence.",
    ]
    assert long in " ".join(printed(models, 120))


def test_no_row_is_a_title_and_its_notes() -> None:
    assert printed(TextTable("nothing", ("group",), (), notes=("At least two groups are needed.",)), 40) == [
        "nothing",
        "At least two groups are needed.",
    ]


def test_control_characters_never_reach_the_terminal() -> None:
    hostile = TextTable("\x1b[2J", ("\x1b]0;x\x07",), (("\u202eabc",),), notes=("\x1b[31m",))
    assert not any(letter in line for line in printed(hostile, 40) for letter in "\x1b\x07\u202e")


def test_a_word_longer_than_the_terminal_is_broken_since_nothing_else_is_left() -> None:
    shown = printed(TextTable("t", ("group", "rate"), (("y" * 50, "5%"),)), 20)
    assert max(map(len, shown)) <= 20
    assert "".join(shown).count("y") == 50


words = st.text(alphabet="abc", min_size=1, max_size=9)
cells = st.lists(words, min_size=0, max_size=5).map(" ".join)


@given(
    rows=st.lists(st.lists(cells, min_size=3, max_size=3).map(tuple), min_size=1, max_size=4),
    width=st.integers(24, 120),
)
def test_every_word_of_every_cell_is_printed_whole(rows: list[tuple[str, ...]], width: int) -> None:
    table = TextTable("t", ("one", "two", "three"), tuple(rows))
    shown = printed(table, width)
    assert max(map(len, shown)) <= width
    there = " ".join(shown).split()
    for row in rows:
        for cell in row:
            for word in cell.split():
                assert word in there


@pytest.mark.parametrize("room", [6, 10, 30, 60])
def test_room_is_shared_out_to_the_letter_and_never_beyond_what_is_wanted(room: int) -> None:
    widths = distributed([1, 2, 3], [4, 20, 30], room)
    assert sum(widths) == min(room, 54)
    assert all(low <= width <= high for low, width, high in zip([1, 2, 3], widths, [4, 20, 30], strict=True))


def test_a_cell_is_wrapped_as_the_widths_were_counted() -> None:
    assert wrapped("0.26% [0.17, 0.41] 34/12848", 12) == ["0.26%", "[0.17, 0.41]", "34/12848"]
    widths = widths_within(GAPS, 50)
    assert widths is not None and sum(widths) + 4 <= 50
    assert without(GAPS, ["gap"]).columns == ("groups", "verdict")
