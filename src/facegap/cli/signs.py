"""Text for a terminal or file whose encoding lacks some characters: these are replaced by ones that it has."""

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
    """Replacement of characters that an encoding lacks: plain letters for known symbols, an escape for others.

    Examples
    --------
    >>> codecs.register_error(NAME, plain_signs)
    >>> "–, ∞, Zoë".encode("ascii", NAME)
    b'-, inf, Zo\\\\xeb'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    plain = "".join(
        plain if (plain := letter.translate(PLAIN)).isascii() else letter.encode("ascii", "backslashreplace").decode()
        for letter in lacking
    )
    return plain, error.end


def write_any_text(*streams: Any) -> None:
    """Let each stream accept any text in any encoding, so that no result is lost because of a dash."""
    codecs.register_error(NAME, plain_signs)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper) and stream.errors != "surrogateescape":
            stream.reconfigure(errors=NAME)
