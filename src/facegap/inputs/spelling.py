"""Normalisation of text: which spellings are the same word, which words mean a missing value, and which numbers are equal.

Files contain the same word in many spellings: a trailing space, é as one character or two, a zero-width space from a web page, 7
and 7.0 from a spreadsheet. Clear errors are corrected and reported; ambiguous cases are reported and left unchanged.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

LARGEST = 1e100  # of a measured number in a file: sums of squares of such numbers remain finite
WHOLE_FLOATS_BELOW = 2**53  # from here on, neighbouring integers may be the same float64
NOTHING = frozenset(
    ("none", "null", "nan", "nat", "nil", "n/a", "n.a.", "#n/a", "<na>", "na", "-", "--", "\u2013", "\u2014", "?", "??")
)
_CODE = re.compile(r"[A-Z]{2}")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?")
_SCIENTIFIC = re.compile(r"[+-]?\d(?:\.\d+)?[eE][+-]?\d+")
_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")  # ASCII words with single spaces: nothing to correct


def tidy(text: str) -> str:
    """Normalise text: NFC, stripped, single spaces, without invisible and control characters."""
    if _PLAIN.fullmatch(text):
        return text
    blanks = "".join(" " if letter.isspace() else letter for letter in unicodedata.normalize("NFC", text))
    visible = "".join(letter for letter in blanks if unicodedata.category(letter) not in ("Cc", "Cf"))
    return " ".join(visible.split())


def has_invisible(text: str) -> bool:
    """Return whether a text contains invisible characters: zero-width, soft hyphens, direction marks, controls."""
    if text.isascii() and text.isprintable():
        return False
    return any(unicodedata.category(letter) in ("Cc", "Cf") and not letter.isspace() for letter in text)


def means_nothing(text: str, *, beside: Iterable[str] = ()) -> bool:
    """Return whether a normalised word means a missing value.

    beside : the other words of its column; if one of them is a two-letter uppercase code (US, DE), NA is also a code
             (Namibia, North America) and not a missing value
    """
    word = text.casefold()
    if word not in NOTHING:
        return False
    return text != "NA" or not any(_CODE.fullmatch(other) and other != "NA" for other in beside)


def number_spelling(text: str) -> str:
    """Return a decimal number in its shortest form: 7, 7.0 and 07 become 7. Other text is unchanged."""
    if not _NUMBER.fullmatch(text):
        return text
    sign = "-" if text.startswith("-") else ""
    whole, _, fraction = text.lstrip("+-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    found = whole + (f".{fraction}" if fraction else "")
    return found if found == "0" else sign + found


def is_scientific(text: str) -> bool:
    """Return whether a text is a number that a spreadsheet shortened, such as 1.23457E+15, with its last digits lost."""
    return bool(_SCIENTIFIC.fullmatch(text))


def same_word(text: str) -> str:
    """Return a key that ignores Unicode form, spacing, invisible characters, and the spelling of numbers."""
    return number_spelling(tidy(text))


def same_letters(text: str) -> str:
    """Return a key that also ignores case, accents and spaces."""
    word = same_word(text).casefold()
    if word.isascii():
        return "".join(word.split())
    apart = unicodedata.normalize("NFKD", word)
    return "".join(letter for letter in apart if not unicodedata.combining(letter) and not letter.isspace())


def same_spelling(text: str) -> str:
    """Return a key for similar labels, which ignores case, Unicode form, spacing and the spelling of numbers."""
    return "".join(unicodedata.normalize("NFKC", same_word(text)).casefold().split())


@dataclass(frozen=True)
class Spellings:
    """Similar spellings of a word, with the number of rows of each, commonest first."""

    words: tuple[str, ...]
    rows: tuple[int, ...]

    def __str__(self) -> str:
        """Format as 'Darker' (30 rows), 'darker' (12 rows)."""
        return ", ".join(f"{word!r} ({rows:,} rows)" for word, rows in zip(self.words, self.rows, strict=True))


def near_spellings(counts: Mapping[str, int], *, key: object = same_spelling) -> list[Spellings]:
    """Return the groups of two or more words with the same key, in the order of their first words."""
    assert callable(key)
    keys = {word: key(word) for word in counts}
    shared = {of_words for of_words, words in Counter(keys.values()).items() if words > 1}
    found: dict[str, list[str]] = {}
    for word in counts:
        if keys[word] in shared:
            found.setdefault(keys[word], []).append(word)
    return [
        Spellings(tuple(ordered), tuple(counts[word] for word in ordered))
        for words in found.values()
        for ordered in [sorted(words, key=lambda word: (-counts[word], word))]
    ]


def merged(spellings: Sequence[Spellings]) -> dict[str, str]:
    """Map every rarer spelling to the commonest of its group."""
    return {word: group.words[0] for group in spellings for word in group.words[1:]}
