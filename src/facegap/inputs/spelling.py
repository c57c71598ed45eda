"""One identity of text: when two spellings are one word, which words mean nothing, and which numbers are one number.

People's files hold the same word in many spellings: a blank at the end, é as one sign or as two, a zero-width space from a
web page, 7 and 7.0 from a spreadsheet. What can only be a slip is mended and told; what could be meant is told and left.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

LARGEST = 1e100  # of a measured number in a file: sums of squares of such numbers are numbers
WHOLE_FLOATS_BELOW = 2**53  # beyond it neighbouring whole numbers share one float64
NOTHING = frozenset(
    ("none", "null", "nan", "nat", "nil", "n/a", "n.a.", "#n/a", "<na>", "na", "-", "--", "\u2013", "\u2014", "?", "??")
)
_CODE = re.compile(r"[A-Z]{2}")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?")
_SCIENTIFIC = re.compile(r"[+-]?\d(?:\.\d+)?[eE][+-]?\d+")
_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")  # ASCII words with single blanks: nothing to mend


def tidy(text: str) -> str:
    """The text in Unicode form NFC, ends trimmed, runs of white space one blank, invisible and control characters gone."""
    if _PLAIN.fullmatch(text):
        return text
    blanks = "".join(" " if letter.isspace() else letter for letter in unicodedata.normalize("NFC", text))
    visible = "".join(letter for letter in blanks if unicodedata.category(letter) not in ("Cc", "Cf"))
    return " ".join(visible.split())


def has_invisible(text: str) -> bool:
    """Whether a text holds characters that no reader sees: zero-width signs, soft hyphens, direction marks, controls."""
    if text.isascii() and text.isprintable():
        return False
    return any(unicodedata.category(letter) in ("Cc", "Cf") and not letter.isspace() for letter in text)


def means_nothing(text: str, *, beside: Iterable[str] = ()) -> bool:
    """Whether a tidy word stands for a missing value.

    beside : the other words of its column; where one of them is a code of two capitals (US, DE), NA is a code as well
             (Namibia, North America) and no missing value
    """
    word = text.casefold()
    if word not in NOTHING:
        return False
    return text != "NA" or not any(_CODE.fullmatch(other) and other != "NA" for other in beside)


def number_spelling(text: str) -> str:
    """A decimal number in its shortest spelling: 7, 7.0 and 07 are 7. Every other text as it is."""
    if not _NUMBER.fullmatch(text):
        return text
    sign = "-" if text.startswith("-") else ""
    whole, _, fraction = text.lstrip("+-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    found = whole + (f".{fraction}" if fraction else "")
    return found if found == "0" else sign + found


def is_scientific(text: str) -> bool:
    """Whether a text is a number as spreadsheets shorten long ones: 1.23457E+15, whose last digits are lost."""
    return bool(_SCIENTIFIC.fullmatch(text))


def same_word(text: str) -> str:
    """What spellings of one word share: Unicode form, blanks, invisible signs, and the spelling of numbers."""
    return number_spelling(tidy(text))


def same_letters(text: str) -> str:
    """What words share that differ by more than `same_word`, but only by case, accents or blanks."""
    word = same_word(text).casefold()
    if word.isascii():
        return "".join(word.split())
    apart = unicodedata.normalize("NFKD", word)
    return "".join(letter for letter in apart if not unicodedata.combining(letter) and not letter.isspace())


def same_spelling(text: str) -> str:
    """What labels share that are near spellings of one another: case, Unicode form, blanks, the spelling of numbers."""
    return "".join(unicodedata.normalize("NFKC", same_word(text)).casefold().split())


@dataclass(frozen=True)
class Spellings:
    """Words that are near spellings of one another, with the number of rows of each, the commonest first."""

    words: tuple[str, ...]
    rows: tuple[int, ...]

    def __str__(self) -> str:
        """'Darker' (30 rows), 'darker' (12 rows)."""
        return ", ".join(f"{word!r} ({rows:,} rows)" for word, rows in zip(self.words, self.rows, strict=True))


def near_spellings(counts: Mapping[str, int], *, key: object = same_spelling) -> list[Spellings]:
    """The groups of two or more words that one key makes the same, in the order of their first words."""
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
    """Every rarer spelling to the commonest of its group."""
    return {word: group.words[0] for group in spellings for word in group.words[1:]}
