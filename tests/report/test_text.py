"""One place decides how hostile text is written: letters that move, hide or reorder others are replaced."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from facegap.report.text import HIDDEN, NO_XML, clean


def test_every_letter_that_moves_hides_or_reorders_is_replaced_and_no_other_changes() -> None:
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        hidden = unicodedata.category(letter) in HIDDEN or letter in NO_XML
        assert clean(letter) == ("\ufffd" if hidden else letter), hex(code)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\ufffd[2J"),
        ("a\u202eexe.png", "a\ufffdexe.png"),
        ("one\nline", "one\ufffdline"),
        ("Zürich שלום 北京", "Zürich שלום 北京"),
        ("1\u00a0%", "1\u00a0%"),
        (None, "None"),
        (3, "3"),
    ],
)
def test_text_of_some_scripts_stays_and_escapes_go(text: object, shown: str) -> None:
    assert clean(text) == shown
