"""Text for a terminal or a file whose encoding lacks some signs: they are written with letters that it has."""

from __future__ import annotations

import codecs
import io
from typing import Any

NAME = "facegap_signs"
PLAIN = str.maketrans(
    {
        "–": "-",
        "—": "-",
        "−": "-",
        "∞": "inf",
        "“": '"',
        "”": '"',
        "‘": "'",
        "’": "'",
        "…": "...",
        "→": "->",
        "×": "x",
        "≤": "<=",
        "≥": ">=",
        "±": "+/-",
        "\u00a0": " ",
        "\ufffd": "?",
    }
)


def plain_signs(error: UnicodeError) -> tuple[str, int]:
    """What is written for letters that an encoding lacks: a known sign in plain letters, any other as its escape.

    Examples
    --------
    >>> codecs.register_error(NAME, plain_signs)
    >>> "–, ∞, Zoë".encode("ascii", NAME)
    b'-, inf, Zo\\\\xeb'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    said = "".join(
        plain if (plain := letter.translate(PLAIN)).isascii() else letter.encode("ascii", "backslashreplace").decode()
        for letter in lacking
    )
    return said, error.end


def write_any_text(*streams: Any) -> None:
    """Let each stream write any text, whatever its encoding: a result must not be lost over a dash."""
    codecs.register_error(NAME, plain_signs)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper) and stream.errors != "surrogateescape":
            stream.reconfigure(errors=NAME)
