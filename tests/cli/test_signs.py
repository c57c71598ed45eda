"""Text on streams whose encoding lacks some characters is written all the same."""

from __future__ import annotations

import io

import pytest

from facegap.cli.signs import write_any_text


def written(text: str, encoding: str) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    write_any_text(stream)
    stream.write(text)
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_known_symbols_become_plain_letters_and_others_are_escaped() -> None:
    assert written("– [0.1, ∞] “Zoë” 漢", "ascii") == '- [0.1, inf] "Zo\\xeb" \\u6f22'
    assert written("– Zoë", "latin-1") == "- Zoë"


@pytest.mark.parametrize("text", ["– ∞ “ë” 漢 \u202e", "plain"])
def test_an_encoding_with_all_characters_writes_them_unchanged(text: str) -> None:
    assert written(text, "utf-8") == text


def test_other_streams_are_unchanged() -> None:
    write_any_text(io.StringIO(), None)
