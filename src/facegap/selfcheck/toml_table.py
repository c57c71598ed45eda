"""A TOML table that answers for each key, or says which key of which file is wrong and what it may be."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from facegap.errors import TableError

MAX_TEXT = 200


@dataclass(frozen=True)
class TomlTable:
    """One table of a file.

    data  : as tomllib gives it
    file  : for messages
    where : name of the table for messages, such as "[[coverage]] 2, "; empty for the file itself
    """

    data: dict[str, Any]
    file: str
    where: str

    def refuse(self, key: str, wanted: str) -> NoReturn:
        """Raise TableError: this key is wrong, and what it should be."""
        given = f"is {_shown(self.data[key])}" if key in self.data else "is missing"
        raise TableError(f"{self.file}: {self.where}key {key} {given}; give {wanted}")

    def refuse_others(self, known: Sequence[str]) -> None:
        """Raise TableError for the first key that is not one of `known`."""
        for key in self.data:
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"it may have {', '.join(known)}"
                raise TableError(f"{self.file}: {self.where}key {_shown(key)} is not known here; {hint}")

    def entries(self, key: str) -> list[TomlTable]:
        """The tables of [[key]], none where there is no such key."""
        found = self.data.get(key, [])
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            self.refuse(key, f"it as [[{key}]], once for each entry")
        return [TomlTable(entry, self.file, f"[[{key}]] {number}, ") for number, entry in enumerate(found, 1)]

    def text(self, key: str) -> str:
        """A line of text."""
        value = self.data.get(key)
        if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT:
            self.refuse(key, f"text of 1 to {MAX_TEXT} letters")
        return value

    def word(self, key: str, choices: Sequence[str], *, default: str | None = None) -> str:
        """One of some words."""
        value = self.data.get(key, default)
        if value not in choices or not isinstance(value, str):
            self.refuse(key, f"one of {', '.join(choices)}")
        return value

    def numbers(
        self, key: str, low: float, high: float, *, default: tuple[float, ...] | None = None, whole: bool = False
    ) -> tuple[float, ...]:
        """One number or a list of them, each once, all within low..high."""
        if key not in self.data and default is not None:
            return default
        value = self.data.get(key)
        found: list[Any] = value if isinstance(value, list) else [value]
        if not found or not all(_is_number(x, low, high, whole=whole) for x in found):
            self.refuse(key, f"{'a whole number' if whole else 'a number'} from {low:g} to {high:g}, or a list of such")
        return tuple(float(number) for number in found)

    def integers(self, key: str, low: int, high: int, *, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """One whole number or a list of them."""
        return tuple(int(value) for value in self.numbers(key, low, high, default=default, whole=True))

    def number(self, key: str, low: float, high: float) -> float:
        """One number."""
        value = self.data.get(key)
        if not _is_number(value, low, high, whole=False):
            self.refuse(key, f"a number from {low:g} to {high:g}")
        return float(self.data[key])

    def integer(self, key: str, low: int, high: int, *, default: int | None = None) -> int:
        """One whole number."""
        value: Any = self.data.get(key, default)
        if not _is_number(value, low, high, whole=True):
            self.refuse(key, f"a whole number from {low:,} to {high:,}")
        return int(value)

    def per_group(self, key: str, groups: int, low: int, high: int) -> tuple[int, ...]:
        """A whole number for each group; one number is for all of them."""
        found = self.integers(key, low, high)
        if len(found) not in (1, groups):
            self.refuse(key, f"one number for all groups, or {groups}, one for each rate")
        return found * groups if len(found) == 1 else found

    def texts(self, key: str, count: int, *, default: tuple[str, ...]) -> tuple[str, ...]:
        """`count` different lines of text."""
        if key not in self.data:
            return default
        found = self.data[key]
        lines = isinstance(found, list) and all(isinstance(x, str) and 0 < len(x) <= MAX_TEXT for x in found)
        if not lines or len(found) != count or len(set(found)) != count:
            self.refuse(key, f"{count} different names, one for each rate")
        return tuple(found)


def _is_number(value: Any, low: float, high: float, *, whole: bool) -> bool:
    """Whether a value is a finite number (true and false are none) in low..high."""
    kinds = (int,) if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value) and low <= value <= high


def _shown(value: Any) -> str:
    """A value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
